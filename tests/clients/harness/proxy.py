"""The proxy under test, as a process of its own."""

import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path

#: Variables that the proxy is started with beside those of a check: no key or address of the caller's may reach it.
KEPT = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE", "RUST_LOG")
#: Seconds that a proxy may take to end.
STOP = 20
#: Those that run at the moment.
RUNNING = []


class Proxy:
    """A running proxy over a configuration, on a port that the system chose."""

    def __init__(self, config, environment=None):
        self._folder = tempfile.TemporaryDirectory(prefix="clients-")
        folder = Path(self._folder.name)
        # JSON is YAML.
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        (folder / "config.yaml").write_text(text)
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        nowhere = {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}
        self._process = subprocess.Popen(
            [
                os.environ["ZIGGURAT_PROXY"],
                "--config",
                "config.yaml",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--drain-timeout",
                "1",
            ],
            cwd=folder,
            env={**kept, **nowhere, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log, self.address = [], None
        for line in self._process.stderr:
            self.log.append(line)
            if line.startswith("listening on "):
                self.address = line.removeprefix("listening on ").strip()
                break
        if self.address is None:
            self._folder.cleanup()
            raise RuntimeError("the proxy did not start:\n" + "".join(self.log))
        # What else it says must not fill the pipe.
        self._reader = threading.Thread(target=lambda: self.log.extend(self._process.stderr), daemon=True)
        self._reader.start()
        RUNNING.append(self)

    @property
    def base_url(self):
        return self.address + "/v1"

    def stop(self):
        """Ends the proxy; it must end in peace."""
        RUNNING.remove(self)
        self._process.terminate()
        try:
            status = self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        self._folder.cleanup()
        if status != 0:
            raise RuntimeError(f"the proxy ended with {status}:\n" + "".join(self.log[-40:]))
