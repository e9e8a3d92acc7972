#!/usr/bin/env python3
"""What moescope puts into the Hub's cache, as huggingface_hub finds it; and what huggingface_hub puts there, as moescope does.

Both speak to the Hub of tests/hub/server.py on this machine.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from asking import Checks, options

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = SOURCE / "examples" / "tiny-qwen2-moe"
sys.path.insert(0, str(SOURCE / "tests" / "hub"))
import server  # noqa: E402


def make_hub(folder):
    shutil.copytree(EXAMPLE, folder / "repos" / "acme" / "tiny")
    shutil.copytree(EXAMPLE, folder / "repos" / "acme" / "tiny" / "sub" / "folder")
    return server.Hub(folder / "repos")


def inspect(hub, cache, address, *more, **variables):
    environment = dict(os.environ, HF_ENDPOINT=hub.endpoint, HF_HUB_CACHE=str(cache), HF_TOKEN=hub.token, **variables)
    done = subprocess.run([options().program, "inspect", address, "--json", *more], env=environment, capture_output=True)
    return (json.loads(done.stdout) if done.returncode == 0 else None), done.stderr.decode("utf-8", "replace")


ASK = """
import json
import huggingface_hub.constants as c
from huggingface_hub.utils import build_hf_headers
print(json.dumps([c.ENDPOINT, c.HF_HUB_CACHE, c.HF_HUB_OFFLINE, build_hf_headers().get("authorization")]))
"""


def compare_environments(checks, hub, folder):
    """Each environment is read the same by huggingface_hub and by us: where the Hub is, the cache, the token that is sent."""
    home = folder / "ann"
    for name, token in ((".cache/huggingface/token", "hf_default"), ("hf/token", "hf_home"), ("x/huggingface/token", "hf_xdg"), ("t", "hf_path")):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f" {token}\r\n")
    h = str(home)
    cases = [{}, {"HF_HOME": f"{h}/hf"}, {"HF_HOME": "~/hf"}, {"HF_HOME": "$HOME/hf"}, {"HF_HOME": "${HOME}/hf/"}, {"XDG_CACHE_HOME": f"{h}/x"},
             {"XDG_CACHE_HOME": "$HOME/x"}, {"XDG_CACHE_HOME": f"{h}/x", "HF_HOME": "~/hf"}, {"HF_HUB_CACHE": "~/c"},
             {"HUGGINGFACE_HUB_CACHE": "$HOME/old"}, {"HF_HUB_CACHE": "/c", "HUGGINGFACE_HUB_CACHE": "/old"}, {"HF_HUB_CACHE": "$NONE/c"},
             {"HF_HUB_CACHE": "a~b$"}, {"HF_HUB_CACHE": "~nobody-is-called-so/c"}, {"HF_HOME": f"{h}/hf", "HUGGINGFACE_HUB_CACHE": "/old"},
             {"HF_TOKEN": "hf_a"}, {"HF_TOKEN": " hf_a\n"}, {"HF_TOKEN": ""}, {"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "hf_b"},
             {"HF_TOKEN": "hf_a", "HUGGING_FACE_HUB_TOKEN": "hf_b"}, {"HF_TOKEN_PATH": "~/t"}, {"HF_TOKEN_PATH": "$HOME/t", "HF_HOME": "~/hf"},
             {"HF_TOKEN_PATH": "~/none"}, {"HF_TOKEN": "hf_a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"},
             {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"}, {"HF_ENDPOINT": f"{hub.endpoint}//"}]
    cases += [dict(zip(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), pair)) for pair in
              (("1", "0"), ("0", "1"), ("", "1"), ("TRUE", ""), ("on", ""), ("off", "1"), ("2", ""))]
    faults = []
    for case in cases:
        environment = {"HOME": h, "PATH": os.environ["PATH"], "HF_ENDPOINT": hub.endpoint, "LC_ALL": "C.UTF-8", **case}
        done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, check=True)
        endpoint, cache, offline, sent = json.loads(done.stdout)
        done = subprocess.run([options().program, "doctor", "--json"], env=environment, capture_output=True, check=True)
        ours = {c["name"]: c["value"] for c in json.loads(done.stdout)["checks"] if c["section"] == "Hub"}
        hub.forget()
        subprocess.run([options().program, "inspect", "hf://acme/tiny", "-q"], env=environment, capture_output=True)
        asked = {r.headers.get("Authorization") for r in hub.requests if not r.headers["Host"].startswith("localhost")}
        if ours["endpoint"] != endpoint or ours["cache"] != cache or ours["network"].startswith("not") != offline:
            faults.append(f"{case}: {ours} is not {endpoint} {cache} {offline}")
        if not offline and asked != {sent} or offline and hub.requests:
            faults.append(f"{case}: sent {asked}, not {sent}")
    checks.check(f"{len(cases)} environments are read as huggingface_hub reads them", faults)


def download_side_by_side(checks, hub, folder):
    """Both fill one cache at once; each finds all of it."""
    cache = folder / "shared"
    hub.latency_s = 0.01
    environment = dict(os.environ, HF_ENDPOINT=hub.endpoint, HF_HUB_CACHE=str(cache), HF_TOKEN=hub.token)
    theirs = "import huggingface_hub as hf; hf.snapshot_download('acme/tiny')"
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for command in ([options().program, "inspect", "hf://acme/tiny", "--download"], [sys.executable, "-c", theirs]) * 2]
    said = [p.communicate(timeout=120)[1].decode("utf-8", "replace") for p in running]
    faults = [text for p, text in zip(running, said) if p.returncode]
    offline, err = inspect(hub, cache, "hf://acme/tiny", HF_HUB_OFFLINE="1")
    done = subprocess.run([sys.executable, "-c", theirs], env=dict(environment, HF_HUB_OFFLINE="1"), capture_output=True)
    faults += ([] if offline else [err]) + ([] if done.returncode == 0 else [done.stderr.decode()])
    faults += [str(p) for p in cache.rglob("*") if p.name.endswith((".incomplete", ".tmp"))]
    hub.latency_s = 0
    checks.check("four processes, two of each, fill one cache at once", faults)


def main():
    checks = Checks()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="moescope-hub-"))
    hub = make_hub(folder)
    os.environ.update(HF_ENDPOINT=hub.endpoint, HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1", HF_HOME=str(folder / "home"))
    import huggingface_hub as hf

    names = sorted(p.name for p in EXAMPLE.iterdir() if p.suffix in (".json", ".safetensors"))
    ours, theirs = folder / "ours", folder / "theirs"

    answer, err = inspect(hub, ours, "hf://acme/tiny@v1%2Fx", "--download")
    checks.check("moescope downloads", [] if answer else [err])
    hub.forget()
    faults = []
    for name in names:
        found = hf.try_to_load_from_cache("acme/tiny", name, cache_dir=ours, revision="v1/x")
        if not isinstance(found, str) or pathlib.Path(found).read_bytes() != (EXAMPLE / name).read_bytes():
            faults.append(f"{name}: {found}")
    checks.check(f"huggingface_hub finds {len(names)} files of a branch with a slash", faults)
    found = hf.snapshot_download("acme/tiny", revision="v1/x", cache_dir=ours, local_files_only=True)
    checks.check("huggingface_hub takes the snapshot", [] if (pathlib.Path(found) / "config.json").exists() else [found])
    hub.forget()
    hf.hf_hub_download("acme/tiny", names[-1], revision="v1/x", cache_dir=ours, token=hub.token)
    checks.check("huggingface_hub, online, moves none of it again",
                 [repr(r) for r in hub.requests if r.method == "GET" and r.n_bytes > 5000])
    info = hf.scan_cache_dir(ours)
    repos = [r for r in info.repos if r.repo_id == "acme/tiny"]
    checks.check("huggingface_hub's scan sees one repository and no fault",
                 [str(w) for w in info.warnings] + ([] if len(repos) == 1 and repos[0].nb_files >= len(names) else [str(info)]))

    hf.snapshot_download("acme/tiny", cache_dir=theirs, token=hub.token)
    hub.forget()
    offline, err = inspect(hub, theirs, "hf://acme/tiny", HF_HUB_OFFLINE="1")
    checks.check("moescope, offline, reads what huggingface_hub downloaded", ([] if offline else [err]) + [repr(r) for r in hub.requests])
    online, err = inspect(hub, theirs, "hf://acme/tiny")
    checks.check("moescope, online, moves none of it again",
                 ([] if online else [err]) + [repr(r) for r in hub.requests if "resolve" in r.path])
    checks.check("both ways say the same", [] if offline == online else ["the inspections differ"])
    nested, err = inspect(hub, theirs, "hf://acme/tiny/sub/folder", HF_HUB_OFFLINE="1")
    checks.check("a folder inside a snapshot is a model", [] if nested else [err])

    inspect(hub, theirs, "hf://acme/tiny", "--download")
    before = sorted(p for p in (theirs / "models--acme--tiny").rglob("*") if p.is_file())
    hf.snapshot_download("acme/tiny", cache_dir=theirs, local_files_only=True)
    checks.check("a complete cache is left as it is",
                 [] if before == sorted(p for p in (theirs / "models--acme--tiny").rglob("*") if p.is_file()) else ["it changed"])
    compare_environments(checks, hub, folder)
    download_side_by_side(checks, hub, folder)
    hub.close()
    shutil.rmtree(folder, ignore_errors=True)
    checks.finish()


if __name__ == "__main__":
    main()
