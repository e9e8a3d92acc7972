"""A Hub on this machine: speaks what huggingface_hub and moescope ask of the real one, and fails on request.

    hub = Hub(folder)                 # folder/OWNER/NAME/...: files of repositories, all at one commit
    hub.endpoint                      # http://127.0.0.1:PORT   tree, revision, resolve; small files are served here
    hub.cdn                           # http://localhost:PORT   another origin: large files (LFS) are redirected to it
    hub.requests                      # [Request]: method, host, path, headers, status, bytes moved
    hub.faults["/path"] = [fault, ...]    # taken one by one by requests whose path contains the key
    hub.close()

Faults, by name: "429" (Retry-After: 0), "500", "short" (half of the body, then the connection closes), "range" (a wrong
Content-Range), "200" (ignores the range), "etag" (another ETag), "commit" (another commit), "far-etag" (another one at the
CDN), "expired" (403 from the CDN), "slow" (nothing comes), "gated", "badtoken", "missing", "loop" (a redirect to itself), "plain"
(a redirect to http elsewhere), "size" (another total). A key "cdn@PART" or "hub@PART" is about one origin; a "!" at the end of
a fault: it stays.
"""
import hashlib
import http.server
import json
import pathlib
import re
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_FROM = 20000  # bytes from which a file is a large one
PAGE = 5


class Request:
    def __init__(self, method, origin, path, headers):
        self.method, self.origin, self.path, self.headers = method, origin, path, dict(headers)
        self.status = self.n_bytes = 0

    def __repr__(self):
        return f"{self.method} {self.origin} {self.path} {self.headers.get('Range', '')} -> {self.status}, {self.n_bytes} bytes"


class File:
    def __init__(self, data, n_zeros=0):
        """data, and as many zeros after it (which are nowhere stored: a file may be as large as you like)."""
        self.data, self.size = data, len(data) + n_zeros
        self.is_lfs = self.size >= LFS_FROM
        self.git = hashlib.sha1(b"blob %d\0" % self.size + data).hexdigest()  # of what has no zeros: git's own
        self.etag = hashlib.sha256(data).hexdigest() if self.is_lfs else self.git

    def slice(self, begin, end):
        part = self.data[begin:end]
        return part + bytes(end - begin - len(part))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def send(self, status, body=b"", headers=(), cut=None):
        self.request_seen.status = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(n == "Content-Length" for n, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            part = body if cut is None else body[:cut]
            self.request_seen.n_bytes = len(part)
            try:
                self.wfile.write(part)
            except OSError:
                pass
        if cut is not None:
            self.close_connection = True

    def refuse(self, status, code, message=""):
        self.send(status, json.dumps({"error": message or code}).encode(), [("X-Error-Code", code), ("X-Error-Message", message or code)])

    def answer(self):
        host = self.headers.get("Host", "")
        self.request_seen = Request(self.command, host, self.path, self.headers)
        with self.hub.lock:
            self.hub.requests.append(self.request_seen)
            fault = (self.hub.take_fault(host, self.path) or "").rstrip("!")
        if fault == "429":
            return self.send(429, b"", [("Retry-After", "0")])
        if fault == "500":
            return self.send(500, b"oops", [("Retry-After", "0")])
        if fault == "slow":
            time.sleep(3)
            self.close_connection = True
            return None
        if fault == "gated":
            return self.refuse(403, "GatedRepo", "Access to this model is restricted")
        if fault == "badtoken":
            return self.refuse(401, "", "Invalid credentials in Authorization header")
        if fault == "loop":
            return self.send(302, b"", [("Location", self.path)])
        if fault == "plain":
            return self.send(302, b"", [("Location", "http://example.com/x")])
        if host.startswith("localhost"):
            return self.answer_cdn(fault)
        return self.answer_hub(fault)

    def answer_hub(self, fault):
        parts = urllib.parse.urlsplit(self.path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", parts.path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", parts.path)
        name = (api or file)[1] if api or file else None
        repo = self.hub.repos.get(name)
        if repo is None or (name.startswith("private/") and token != self.hub.token):
            return self.refuse(401, "RepoNotFound", "Repository not found")
        revision = urllib.parse.unquote((api[3] if api else file[2]) or "main")
        if revision not in ("main", "refs/pr/1", "v1/x", COMMIT):
            return self.refuse(404, "RevisionNotFound")
        if api and api[2] == "tree":
            return self.send_tree(repo, name, urllib.parse.parse_qs(parts.query))
        if api:
            return self.send(200, json.dumps({"id": name, "sha": COMMIT, "gated": False, "private": False,
                                              "siblings": [{"rfilename": p} for p in repo]}).encode())
        path = urllib.parse.unquote(file[3])
        if path not in repo or fault == "missing":
            return self.refuse(404, "EntryNotFound")
        return self.send_file(repo[path], name, path, fault)

    def send_tree(self, repo, name, query):
        start = int(query.get("cursor", ["0"])[0])
        names = sorted(repo)
        page = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "folder-entry"}] if start == 0 else []
        for path in names[start:start + PAGE]:
            f = repo[path]
            entry = {"type": "file", "oid": f.git, "size": f.size, "path": path}
            if f.is_lfs:
                entry["lfs"] = {"oid": f.etag, "size": f.size, "pointerSize": 134}
            page.append(entry)
        headers = []
        if start + PAGE < len(names):
            url = f"{self.hub.endpoint}/api/models/{name}/tree/{COMMIT}?recursive=true&cursor={start + PAGE}"
            headers.append(("Link", f'<{url}>; rel="next"'))
        self.send(200, json.dumps(page).encode(), headers)

    def send_file(self, f, name, path, fault):
        headers = [("X-Repo-Commit", "f" * 40 if fault == "commit" else COMMIT), ("Accept-Ranges", "bytes")]
        etag = "0" * len(f.etag) if fault == "etag" else f.etag
        if not f.is_lfs:
            return self.send_bytes(f, headers + [("ETag", f'"{etag}"')], fault)
        signed = f"{self.hub.cdn}/{urllib.parse.quote(name + '/' + path)}?signature={self.hub.n_signed}"
        self.hub.n_signed += 1
        headers += [("X-Linked-Etag", f'"{etag}"'), ("X-Linked-Size", str(f.size)), ("Location", signed),
                    ("ETag", f'"{f.git}"')]
        return self.send(302, b"Found", headers)

    def answer_cdn(self, fault):
        parts = urllib.parse.urlsplit(self.path)
        owner, name, path = urllib.parse.unquote(parts.path)[1:].split("/", 2)
        f = self.hub.repos[f"{owner}/{name}"][path]
        if fault == "expired":
            return self.send(403, b"<Error>expired</Error>")
        etag = f"{hash(path) & 0xffffffff:x}-{'b' if fault == 'far-etag' else 'a'}"
        return self.send_bytes(f, [("ETag", f'"{etag}"')], fault)

    def send_bytes(self, f, headers, fault):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted or fault == "200":
            return self.send(200, f.slice(0, f.size), headers)
        first = int(wanted[1])
        last = min(int(wanted[2] or f.size - 1), f.size - 1)
        if first >= f.size:
            return self.send(416, b"", [("Content-Range", f"bytes */{f.size}")])
        body = f.slice(first, last + 1)
        shown = first + (7 if fault == "range" else 0)
        total = f.size + (1 if fault == "size" else 0)
        headers.append(("Content-Range", f"bytes {shown}-{last}/{total}"))
        return self.send(206, body, headers, cut=len(body) // 2 if fault == "short" else None)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Hub:
    def __init__(self, folder, token="hf_secret"):
        self.repos, self.requests, self.faults, self.token = {}, [], {}, token
        self.lock, self.n_signed = threading.Lock(), 0
        folder = pathlib.Path(folder)
        for repo in sorted(p for p in folder.glob("*/*") if p.is_dir()):
            self.repos["/".join(repo.parts[-2:])] = {
                str(p.relative_to(repo)): File(p.read_bytes()) for p in sorted(repo.rglob("*")) if p.is_file()}
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        self.endpoint, self.cdn = f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take_fault(self, host, path):
        for key, queue in self.faults.items():
            where, _, part = key.rpartition("@")  # "cdn@PART" or "hub@PART" or "PART"
            at_cdn = host.startswith("localhost")
            if queue and part in path and (not where or (where == "cdn") == at_cdn):
                return queue[0] if queue[0].endswith("!") else queue.pop(0)
        return None

    def forget(self):
        with self.lock:
            self.requests.clear()
            self.faults.clear()

    def n_bytes(self):
        with self.lock:
            return sum(r.n_bytes for r in self.requests)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
