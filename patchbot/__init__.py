"""Several versions of wasmtime in one Rust program.

The way of the data is the layout: ``upstream`` → ``symbols`` → ``series`` → ``fork`` → ``registry`` →
``proof`` → ``report``.  Rooms do not import each other; ``pipeline`` chains them.
"""

__version__ = "0.1.0"
