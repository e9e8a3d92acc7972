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
    hub.close()
    shutil.rmtree(folder, ignore_errors=True)
    checks.finish()


if __name__ == "__main__":
    main()
