"""The registry directory over HTTP: requests in, replies out, and the sockets."""
