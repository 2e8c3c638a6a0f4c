"""Start the demo site in the foreground, after making sure that its port is free."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

HOST = "127.0.0.1"
HIGHEST_PORT = 65535


def chosen_port(text: str) -> int:
    """The port that was asked for, or a sentence."""
    if not text.isdecimal() or not 0 < int(text) <= HIGHEST_PORT:
        raise SystemExit(f"PORT={text} is not a port: give a number from 1 to 65535, as in PORT=8001.")
    return int(text)


def require_free(port: int) -> None:
    """Return when the port can be bound, else end with a sentence."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise SystemExit(f"Port {port} is for administrators: choose one above 1023.") from None
        except OSError:
            other = port + 1 if port < HIGHEST_PORT else port - 1
            message = f"Port {port} is in use: stop what listens there, or run `make demo PORT={other}`."
            raise SystemExit(message) from None


def main() -> None:
    """Check the port, set the demo up, serve."""
    port = chosen_port(os.environ.get("PORT") or "8000")
    require_free(port)
    manage = [sys.executable, "demo/manage.py"]
    env = {**os.environ, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    setup = subprocess.run([*manage, "demo_setup"], env=env, check=False)
    if setup.returncode:
        raise SystemExit(setup.returncode)
    os.execve(sys.executable, [*manage, "runserver", "--noreload", f"{HOST}:{port}"], env)


if __name__ == "__main__":
    main()
