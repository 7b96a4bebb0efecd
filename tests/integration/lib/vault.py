#!/usr/bin/env python3
"""Opens every seal of a data directory with its master key, and prints the keys and seeds as JSON: [[what, hex], ...].

    vault.py DIR

Written from the format, not from natsid's code: slot and data keys are nonce, ciphertext, tag; a seed is version, data key
id (big-endian), nonce, ciphertext, tag; associated data is a list of parts, each after its length in two bytes.
"""
import base64
import ctypes
import ctypes.util
import json
import sqlite3
import struct
import sys

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")


def unseal(key, sealed, *parts):
    nonce, box = sealed[:24], sealed[24:]
    data = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    plain = ctypes.create_string_buffer(len(box) - 16)
    if sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain, None, None, box, ctypes.c_ulonglong(len(box)), data, ctypes.c_ulonglong(len(data)), nonce, key
    ):
        sys.exit("a seal does not open")
    return plain.raw


def main(directory):
    with open(f"{directory}/master.key", encoding="ascii") as file:
        master = base64.urlsafe_b64decode(file.read().split()[1] + "=")
    db = sqlite3.connect(f"file:{directory}/natsid.db?mode=ro", uri=True)
    (uuid,) = db.execute("SELECT value FROM settings WHERE key = 'database_uuid'").fetchone()
    uuid = uuid.encode()
    (wrapped,) = db.execute("SELECT wrapped FROM vault_slots").fetchone()
    root = unseal(master, wrapped, b"natsid root key v1", uuid, struct.pack(">I", 0))
    found = [["root key", root.hex()]]
    keys = {}
    for number, wrapped in db.execute("SELECT id, wrapped FROM vault_keys"):
        keys[number] = unseal(root, wrapped, b"natsid data key v1", uuid, struct.pack(">I", number))
        found.append([f"data key {number}", keys[number].hex()])
    seeds = db.execute("SELECT owner_table, owner_column, owner_id, role, public_key, sealed FROM vault")
    for table, column, owner, role, public_key, sealed in seeds:
        version, number = struct.unpack(">BI", sealed[:5])
        if version != 1 or len(sealed) != 77:
            sys.exit(f"a seed of {table} has version {version} and {len(sealed)} bytes")
        parts = [table.encode(), column.encode(), owner.encode(), bytes([role]), public_key]
        seed = unseal(keys[number], sealed[5:], b"natsid seed v1", uuid, *parts)
        found.append([f"seed of {table} {owner}", seed.hex()])
    json.dump(found, sys.stdout)


main(sys.argv[1])
