"""Transport, HTTP and wiring. The only package that knows Starlette; `server.app` is the only composition root."""
