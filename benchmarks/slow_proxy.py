"""A TCP proxy on the loopback interface that makes a connection as long as asked for; prints its port first.

``slow_proxy.py PORT MILLISECONDS``: every byte to and from the port 127.0.0.1:PORT takes half of the time longer,
and a new connection the whole of it once more, as a handshake does. The width of the line is not limited.
"""

from __future__ import annotations

import asyncio
import sys

_PIECE = 1 << 16


async def _pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, late: float, first: float
) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            moment, piece = await waiting.get()
            delay = moment - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            if not piece:
                target.close()
                return
            target.write(piece)
            await target.drain()

    delivering = asyncio.create_task(deliver())
    opened = loop.time() + first
    try:
        while piece := await source.read(_PIECE):
            waiting.put_nowait((max(loop.time(), opened) + late, piece))
    except OSError:
        pass
    waiting.put_nowait((loop.time() + late, b""))
    await asyncio.wait([delivering])


async def main(port: int, delay: float) -> None:
    """Serve until the process is ended."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            _pump(reader, far_writer, delay / 2, delay), _pump(far_reader, writer, delay / 2, 0.0)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 20, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000))
