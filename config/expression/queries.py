"""The environment in which `view` and `template` judge a query: names and types; a worker gives the values."""

from __future__ import annotations

from .types import ANY, BOOL, INT, STRING, Type, function

QUERY: dict[str, Type] = {
    "incidr": function((STRING, STRING), BOOL),
    "metadata": function((STRING,), STRING),
    **{
        name: function((), STRING)
        for name in ("type", "name", "class", "proto", "client_ip", "port", "server_ip", "server_port")
    },
    **{name: function((), INT) for name in ("size", "bufsize", "id", "opcode")},
    "do": function((), BOOL),
}
GROUP: dict[str, Type] = {"group": function((ANY,), STRING)}  # the groups of a template's regular expression
