#!/usr/bin/env python3
"""A server in Gembok's place that dies at the worst moment: it answers the first request, and keeps the connection; of every
later one it reads all and closes without an answer, as if it had ended after it did the work. It writes how many it was sent.

    dies.py PORT CERTIFICATE KEY COUNT-FILE
"""

import socket
import ssl
import sys
import threading

port, certificate, key, count_file = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(certificate, key)
lock, count = threading.Lock(), 0


def read_request(stream) -> bool:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.read(1)
        if not byte:
            return False
        head += byte
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    stream.read(length)
    return True


def serve(connection) -> None:
    global count
    try:
        with context.wrap_socket(connection, server_side=True) as tls, tls.makefile("rb") as stream:
            while read_request(stream):
                with lock:
                    count += 1
                    number = count
                with open(count_file, "w") as file:
                    file.write(str(number))
                if number > 1:
                    return
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    except OSError:
        pass


with socket.create_server(("127.0.0.1", int(port))) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
