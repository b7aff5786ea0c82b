"""A proxy between cq and a server: passes bytes on, and lets a test stand in the way.

  class Mine(Proxy):
      def passes(self, data, client, server, up): ...
  p = Mine(server_port); p.port
"""
import socket
import threading


class Proxy:
    def __init__(self, to):
        self.to, self.open = to, []
        self.listen = socket.create_server(('127.0.0.1', 0))
        self.port = self.listen.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def passes(self, data, client, server, up):
        """Sends what came on, `up` to the server or down from it; False ends the connection."""
        (server if up else client).sendall(data)
        return True

    def accept(self):
        while True:
            try:
                client = self.listen.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(('127.0.0.1', self.to))
            except OSError:
                client.close()
                continue
            self.open += [client, server]
            for up in (True, False):
                threading.Thread(target=self.pass_on, args=(client, server, up), daemon=True).start()

    def pass_on(self, client, server, up):
        try:
            while data := (client if up else server).recv(65536):
                if not self.passes(data, client, server, up):
                    break
        except OSError:
            pass
        self.end([client, server])

    @staticmethod
    def end(sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def cut(self):
        """Ends all connections that are open."""
        self.end(self.open)
        self.open = []

    def stop(self):
        """Takes no connection any more."""
        try:
            self.listen.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listen.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
