# SPDX-License-Identifier: GPL-2.0-only
"""What UEFI starts, also under Secure Boot: Debian's shim, and GRUB as Debian signed it.

They are taken out of their packages: to install these could change how this
machine itself boots.
"""
from pvmmio.build import debian
from pvmmio.console import JobError

# Which file of which package gets which name beside the other.
PARTS = {
    "BOOTX64.EFI": ("shim-signed", "usr/lib/shim/shimx64.efi.signed"),
    "grubx64.efi": ("grub-efi-amd64-signed", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed")}


def fetch_to_cache(package, version, path, where):
    where.parent.mkdir(exist_ok=True)
    with debian.unfinished(where.parent) as raw:
        debian.download([package], version, raw, where.with_name(f"{package}.log"))
        (raw / path).rename(where)


def newest(package):
    versions = debian.offered(package)
    if not versions:
        raise JobError(f"Debian offers no {package}; is its main section among the package"
                       " sources?")
    return versions[0]


def fetch():
    """{name: path} of both, each of the newest version."""
    found = {}
    with debian.cache_lock():
        for name, (package, path) in PARTS.items():
            version = newest(package)
            where = debian.cache_root() / "loader" / f"{package}_{version}"
            if not where.exists():
                fetch_to_cache(package, version, path, where)
            found[name] = where
    return found
