"""The process of swarm.ts: connects all clients, lets all of them ask, prints when each had its first and last byte.

It is in Python because of one flag that Node does not pass on: with MSG_TRUNC the kernel drops what a client has
received instead of copying it. Two hundred clients that copy 4 GB in a second would take the processors from the
server that is measured.
"""

import json
import select
import socket
import sys
import time

# Clients that have their first byte read so often, in seconds, not each piece as it comes.
READ_EVERY = 0.004
MOST_READ = 16 * 1024 * 1024

settings = json.loads(sys.argv[1])
head = settings["head"].encode()


class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", settings["port"]))
        self.head = b""
        self.received = 0
        self.first = self.last = None

    def read(self):
        """Takes what has come. Returns whether the response goes on."""
        if self.first is None:
            return self.read_head()
        count = self.socket.recv_into(nothing, MOST_READ, socket.MSG_TRUNC)
        self.received += count
        if count > 0:
            self.last = time.monotonic()
        return count > 0

    def read_head(self):
        piece = self.socket.recv(65536)
        self.head += piece
        start, end, body = self.head.partition(b"\r\n\r\n")
        if end and not start.startswith(b"HTTP/1.1 200"):
            sys.exit(start.decode())
        if body:
            self.first = self.last = time.monotonic()
            self.received = len(body)
        return len(piece) > 0


# Never written to: pages that nobody touches take no memory.
nothing = bytearray(MOST_READ)
clients = [Client() for _ in range(settings["clients"])]
poll = select.epoll()
waiting = {client.socket.fileno(): client for client in clients}
for number in waiting:
    poll.register(number, select.EPOLLIN)
began = time.monotonic()
for client in clients:
    client.socket.sendall(head)
while waiting:
    for number, _ in poll.poll():
        if not waiting[number].read():
            poll.unregister(number)
            del waiting[number]
    if all(client.first is not None for client in waiting.values()):
        time.sleep(READ_EVERY)
wrong = [client.received for client in clients if client.received != settings["bytes"]]
if wrong:
    sys.exit(f"{wrong[0]} bytes instead of {settings['bytes']}")
print(json.dumps([{"firstByteMs": (c.first - began) * 1000, "lastByteMs": (c.last - began) * 1000} for c in clients]))
