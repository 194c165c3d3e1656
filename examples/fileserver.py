#!/usr/bin/env python3
"""Serve one directory over HTTP, and be able to do nothing else.

    python3 examples/fileserver.py DIRECTORY [PORT]

The server binds its port and loads what it will need. Then it unveils the directory, and promises
to read files and to use the network. Whoever takes it over finds what it serves anyway, and no
other file, no program to start, nothing to write. It can still connect to other hosts: accept(2)
takes `inet`, and so does connect(2).

Before Linux 7.0 a veil has to be up before there are threads. Here they come with the requests.
"""

from __future__ import annotations

import functools
import http.server
import mimetypes
import os
import sys

import troth


def confined_server(directory: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server that is bound and listening, in a process that is confined to it."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    mimetypes.init()  # reads /etc/mime.types, which will be out of reach
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    troth.unveil(directory, "r")
    troth.pledge("stdio rpath inet")
    return server


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    directory = os.path.realpath(sys.argv[1])
    server = confined_server(directory, int(sys.argv[2]) if len(sys.argv) == 3 else 8000)
    print(f"serving {directory} at http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
