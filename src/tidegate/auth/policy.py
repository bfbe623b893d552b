"""When keys are required: `auto` asks for them as soon as others can reach the address."""

from __future__ import annotations

import ipaddress

from tidegate.errors import ConfigError


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. A name other than localhost counts as reachable.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def keys_required(host: str, mode: str) -> bool:
    """`mode` is server.keys (auto, required, off). Errors: ConfigError for `off` on an address that others reach."""
    if mode == "off" and not is_loopback(host):
        raise ConfigError(
            f'server.keys: "off" is refused on {host}, which others can reach; use auto, or host 127.0.0.1'
        )
    return mode == "required" or (mode == "auto" and not is_loopback(host))
