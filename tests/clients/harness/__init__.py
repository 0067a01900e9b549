"""What the checks of the clients stand on: scripted upstreams, and the proxy as a process."""
