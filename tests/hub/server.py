"""A Hub on this machine: speaks what huggingface_hub and moescope ask of the real one, and fails on request.

    hub = Hub(folder)                 # folder/OWNER/NAME/...: files of repositories, all at one commit
    hub.endpoint                      # http://127.0.0.1:PORT   tree, revision, resolve; small files are served here
    hub.cdn                           # http://localhost:PORT   another origin: large files (LFS) are redirected to it
    hub.requests                      # [Request]: method, host, path, headers, status, bytes moved
    hub.faults["/path"] = [fault, ...]    # taken one by one by requests whose path contains the key
    hub.renamed["old"] = "owner/name" # answered by a redirect (307) without a host
    hub.trees["owner/name"] = b"..."  # a listing as it shall be sent
    hub.latency_s, hub.knows          # a pause before each answer; what the API knows: "revision", "info", "tree"
    hub.close()

With certificate=(CHAIN, KEY), files, it speaks https. Texts are compressed where that is accepted.

Faults, by name: "429" (Retry-After: 0), "429-date" (a second from the server's own, wrong, clock), "500", "short" (half of the
body, then the connection closes), "range" (a wrong Content-Range), "200" (ignores the range), "short200" (and breaks off), "bomb" (200 MB compressed), "416", "encoded" (a range said to
be compressed), "etag" (another ETag), "commit" (another commit), "far-etag" (another one at the CDN), "expired" (403 from the
CDN), "slow" (nothing comes), "dribble" (some bytes a second), "gated", "badtoken", "missing", "loop" (a redirect to itself),
"plain" (a redirect to http elsewhere), "down" (a redirect to http here), "size" (another total), "flip" (the last bit is another), "garbage" (no JSON), "deep" (JSON
of 100,000 brackets), "endless" (a body without end); of listings "next-foreign", "next-same", "next-hub" (the real Hub's address, as
mirrors pass it on), "next-path" (without a host). A key "cdn@PART" or "hub@PART" is about one origin; a "!" at the end of a fault:
it stays.
"""
import gzip
import hashlib
import http.server
import json
import pathlib
import re
import ssl
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


def kind_and_name(path):
    """("models" or "datasets", name) of what is called "name" or "datasets/name"."""
    return ("datasets", path.removeprefix("datasets/")) if path.startswith("datasets/") else ("models", path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        with self.hub.lock:
            self.hub.n_now += 1
            self.hub.most_at_once = max(self.hub.most_at_once, self.hub.n_now)
        try:
            self.answer()
        finally:
            with self.hub.lock:
                self.hub.n_now -= 1

    def send(self, status, body=b"", headers=(), cut=None, pause_s=0):
        accepted = self.headers.get("Accept-Encoding", "")
        if status == 200 and "gzip" in accepted and body[:1] in (b"{", b"["):
            body, headers = gzip.compress(body, 1), [*headers, ("Content-Encoding", "gzip")]
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
                if pause_s:
                    for i in range(0, min(len(part), 400), 8):
                        self.wfile.write(part[i:i + 8])
                        time.sleep(pause_s)
                else:
                    self.wfile.write(part)
            except OSError:
                pass
        if cut is not None or pause_s:
            self.close_connection = True

    def date_time_string(self, timestamp=None):
        return "Thu, 01 Jan 2015 00:00:00 GMT"  # clocks differ

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(200000):
                self.wfile.write(b"[" * 4096)
                self.request_seen.n_bytes += 4096
        except OSError:
            pass
        self.close_connection = True

    def refuse(self, status, code, message=""):
        self.send(status, json.dumps({"error": message or code}).encode(), [("X-Error-Code", code), ("X-Error-Message", message or code)])

    def answer(self):
        host = self.headers.get("Host", "")
        self.request_seen = Request(self.command, host, self.path, self.headers)
        with self.hub.lock:
            self.hub.requests.append(self.request_seen)
            fault = (self.hub.take_fault(host, self.path) or "").rstrip("!")
        time.sleep(self.hub.latency_s)
        if fault == "429":
            return self.send(429, b"", [("Retry-After", "0")])
        if fault == "429-date":
            return self.send(429, b"", [("Retry-After", "Thu, 01 Jan 2015 00:00:01 GMT")])
        if fault == "416":
            return self.send(416, b"", [("Content-Range", "bytes */1")])
        if fault == "garbage":
            return self.send(200, b"<html>no JSON</html>")
        if fault == "deep":
            return self.send(200, b"[" * 100000)
        if fault == "bomb":
            return self.send(200, gzip.compress(bytes(200 << 20), 9), [("Content-Encoding", "gzip")])
        if fault == "endless":
            return self.endless()
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
        if fault == "down":
            return self.send(302, b"", [("Location", f"http://localhost:{self.hub.port}/x")])
        if host.startswith("localhost"):
            return self.answer_cdn(fault)
        return self.answer_hub(fault)

    def answer_hub(self, fault):
        parts = urllib.parse.urlsplit(self.path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+(?:/[^/]+)?)(?:/(revision|tree)/([^/]+))?", parts.path)
        file = re.fullmatch(r"/(datasets/|)([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)", parts.path)
        if not (api or file):
            return self.send(404)
        name = ("datasets/" if (api or file)[1].startswith("datasets") else "") + (api or file)[2]
        if name in self.hub.renamed:
            return self.send(307, b"", [("Location", self.path.replace(name, self.hub.renamed[name], 1))])
        repo = self.hub.repos.get(name)
        if api and (api[3] or "info") not in self.hub.knows:
            return self.send(404, b"not here")
        if repo is None or (name.startswith("private/") and token != self.hub.token):
            return self.refuse(401, "RepoNotFound", "Repository not found")
        revision = urllib.parse.unquote((api[4] if api else file[3]) or "main")
        if revision not in ("main", "refs/pr/1", "v1/x", COMMIT):
            return self.refuse(404, "RevisionNotFound")
        if api and api[3] == "tree":
            return self.send_tree(repo, name, urllib.parse.parse_qs(parts.query), fault)
        if api:
            return self.send(200, json.dumps({"id": name, "sha": COMMIT, "gated": False, "private": False,
                                              "siblings": [{"rfilename": p} for p in repo]}).encode())
        path = urllib.parse.unquote(file[4])
        if path not in repo or fault == "missing":
            return self.refuse(404, "EntryNotFound")
        return self.send_file(repo[path], name, path, fault)

    def send_tree(self, repo, name, query, fault):
        if name in self.hub.trees:
            return self.send(200, self.hub.trees[name])
        start, n = int(query.get("cursor", ["0"])[0]), self.hub.page
        names = sorted(repo)
        page = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "folder-entry"}] if start == 0 else []
        for path in names[start:start + n]:
            f = repo[path]
            entry = {"type": "file", "oid": f.git, "size": f.size, "path": path}
            if f.is_lfs:
                entry["lfs"] = {"oid": f.etag, "size": f.size, "pointerSize": 134}
                entry["xetHash"] = f.etag[::-1]
            page.append(entry)
        headers = []
        if start + n < len(names):
            kind, plain = kind_and_name(name)
            place = f"/api/{kind}/{plain}/tree/{COMMIT}?recursive=true&cursor={start + n}"
            root = {"next-foreign": "https://evil.example", "next-hub": "https://huggingface.co", "next-path": ""}.get(fault, self.hub.endpoint)
            url = f"{self.hub.endpoint}{self.path}" if fault == "next-same" else root + place
            headers.append(("Link", f'<{url}>; rel="next"'))
        return self.send(200, json.dumps(page).encode(), headers)

    def send_file(self, f, name, path, fault):
        headers = [("X-Repo-Commit", "f" * 40 if fault == "commit" else COMMIT), ("Accept-Ranges", "bytes")]
        etag = "0" * len(f.etag) if fault == "etag" else f.etag
        if not f.is_lfs:
            return self.send_bytes(f, headers + [("ETag", f'"{etag}"')], fault)
        signed = f"{self.hub.cdn}/{urllib.parse.quote(name.replace('datasets/', 'datasets+') + '/' + path)}?signature={self.hub.n_signed}"
        self.hub.n_signed += 1
        headers += [("X-Xet-Hash", f.etag[::-1]), ("X-Linked-Etag", f'"{etag}"'), ("X-Linked-Size", str(f.size)), ("Location", signed),
                    ("ETag", f'"{f.git}"')]
        return self.send(302, b"Found", headers)

    def answer_cdn(self, fault):
        parts = urllib.parse.urlsplit(self.path)
        owner, name, path = urllib.parse.unquote(parts.path)[1:].split("/", 2)
        f = self.hub.repos[f"{owner.replace('+', '/')}/{name}"][path]
        if fault == "expired":
            return self.send(403, b"<Error>expired</Error>")
        etag = f"{hash(path) & 0xffffffff:x}-{'b' if fault == 'far-etag' else 'a'}"
        return self.send_bytes(f, [("ETag", f'"{etag}"')], fault)

    def send_bytes(self, f, headers, fault):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted or fault in ("200", "short200"):
            return self.send(200, f.slice(0, f.size), headers, cut=f.size // 2 if fault.startswith("short") else None)
        first = int(wanted[1])
        last = min(int(wanted[2] or f.size - 1), f.size - 1)
        if first >= f.size:
            return self.send(416, b"", [("Content-Range", f"bytes */{f.size}")])
        body = f.slice(first, last + 1)
        if fault == "flip" and last + 1 == f.size:
            body = body[:-1] + bytes([body[-1] ^ 1])
        shown = first + (7 if fault == "range" else 0)
        total = f.size + (1 if fault == "size" else 0)
        headers.append(("Content-Range", f"bytes {shown}-{last}/{total}"))
        if fault == "encoded":
            headers.append(("Content-Encoding", "gzip"))
        return self.send(206, body, headers, cut=len(body) // 2 if fault == "short" else None, pause_s=0.1 if fault == "dribble" else 0)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    tls = None

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:  # the handshake takes place in the handler's own thread
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Hub:
    def __init__(self, folder, token="hf_secret", certificate=None):
        self.repos, self.requests, self.faults, self.token = {}, [], {}, token
        self.renamed, self.trees = {}, {}
        self.lock, self.n_signed, self.n_now = threading.Lock(), 0, 0
        folder = pathlib.Path(folder)
        for repo in sorted(p for p in [*folder.glob("*/*"), *folder.glob("datasets/*/*")] if p.is_dir()):
            name = str(repo.relative_to(folder))
            if name.startswith("datasets/") and name.count("/") == 1:
                continue
            self.repos[name] = {
                str(p.relative_to(repo)): File(p.read_bytes()) for p in sorted(repo.rglob("*")) if p.is_file()}
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        if certificate:
            self.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.tls.load_cert_chain(*certificate)
        scheme = "https" if certificate else "http"
        self.endpoint, self.cdn = f"{scheme}://127.0.0.1:{self.port}", f"{scheme}://localhost:{self.port}"
        self.forget()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take_fault(self, host, path):
        for key, queue in self.faults.items():
            where, _, part = key.rpartition("@")  # "cdn@PART" or "hub@PART" or "PART"
            at_cdn = host.startswith("localhost")
            if queue and part in path and (not where or (where == "cdn") == at_cdn):
                return queue[0] if queue[0].endswith("!") else queue.pop(0)
        return None

    def forget(self):
        self.latency_s, self.page, self.knows = 0, PAGE, {"revision", "info", "tree"}
        with self.lock:
            self.most_at_once = 0
            self.requests.clear()
            self.faults.clear()

    def n_bytes(self):
        with self.lock:
            return sum(r.n_bytes for r in self.requests)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
