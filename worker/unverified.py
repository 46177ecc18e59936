"""Client certificates that are asked for and not verified (`client_auth request` and `require`), which ssl cannot say.

OpenSSL can: a callback that takes the place of the verification. It is set on the context that the ssl module made.
1. Nothing is touched before the pointer has been proved: it must tell the same options as the ssl module does.
2. Where OpenSSL cannot be reached this way (another implementation, a static build) the directive is refused.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import sys

_ACCEPTED = 1
_VERIFY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class Unreachable(Exception):
    """This Python's OpenSSL cannot be told."""


def _accept(_store: object, _argument: object) -> int:
    return _ACCEPTED


_ACCEPT = _VERIFY(_accept)  # OpenSSL keeps its address: it must live as long as any context


def accept_any_certificate(context: ssl.SSLContext) -> None:
    """Have a context take whatever certificate a client shows. Raises Unreachable."""
    if sys.implementation.name != "cpython":
        raise Unreachable("only CPython's ssl module can do that")
    try:
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        options, verify = library.SSL_CTX_get_options, library.SSL_CTX_set_cert_verify_callback
    except (OSError, AttributeError) as error:
        raise Unreachable(f"this Python's OpenSSL cannot be reached: {error}") from None
    options.argtypes, options.restype = [ctypes.c_void_p], ctypes.c_uint64
    verify.argtypes, verify.restype = [ctypes.c_void_p, _VERIFY, ctypes.c_void_p], None
    # struct PySSLContext { PyObject_HEAD SSL_CTX *ctx; … } in every CPython since 3.2
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if pointer is None or options(pointer) != int(context.options):
        raise Unreachable("this Python's ssl module is laid out in another way")
    verify(pointer, _ACCEPT, None)
