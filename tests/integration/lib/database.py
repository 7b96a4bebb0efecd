#!/usr/bin/env python3
"""Looks at a natsid.db beside a running daemon, and prints what it finds as JSON.

    database.py FILE [SEQ HASH]

Checks SQLite's integrity, references and counters, and the audit chain, whose hashes it works out by itself: BLAKE2b-256
over the hash of the row before and each column, length-prefixed. SEQ and HASH name the row up to which the chain is known.
"""
import hashlib
import json
import sqlite3
import struct
import sys


def prefixed(data):
    return struct.pack("<I", len(data)) + data


def row_hash(previous, row):
    seq, at, *texts = row
    data = previous + prefixed(struct.pack("<q", seq)) + prefixed(struct.pack("<q", at))
    for text in texts:
        data += prefixed(text.encode())
    return hashlib.blake2b(data, digest_size=32).digest()


def check_audit(db, seq, known):
    entries = []
    query = (
        "SELECT seq, at, request_id, actor, actor_id, action, collection, record_id, fields, previous, hash "
        "FROM audit WHERE seq > ? ORDER BY seq"
    )
    for *row, previous, stored in db.execute(query, (seq,)):
        if row[0] != seq + 1:
            return {"broken": f"row {seq + 1} is missing"}
        if previous != known:
            return {"broken": f"row {row[0]} does not follow the row before"}
        if row_hash(known, row) != stored:
            return {"broken": f"row {row[0]} does not have its hash"}
        entries.append({"request": row[2], "actor": row[3], "action": row[5], "record": row[7]})
        seq, known = row[0], stored
    return {"broken": None, "seq": seq, "hash": known.hex(), "entries": entries}


def rows(db, query):
    cursor = db.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def main():
    file = sys.argv[1]
    seq = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    known = bytes.fromhex(sys.argv[3]) if len(sys.argv) > 3 else bytes(32)
    db = sqlite3.connect("file:" + file.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=ro", uri=True)
    db.isolation_level = None
    db.execute("BEGIN")  # all of it is one moment
    found = {
        "integrity": [row[0] for row in db.execute("PRAGMA integrity_check")],
        "foreignKeys": [list(row) for row in db.execute("PRAGMA foreign_key_check")],
        "counters": {name: total for name, total in db.execute("SELECT name, total FROM counters")},
        "counted": {
            "accounts": db.execute("SELECT count(*) FROM accounts WHERE deleted = 0").fetchone()[0],
            "users": db.execute("SELECT count(*) FROM users").fetchone()[0],
        },
        "audit": check_audit(db, seq, known),
        "accounts": rows(
            db,
            "SELECT a.id, hex(a.public_key) AS key, a.deleted <> 0 AS deleted, a.name, a.description, a.max_connections, "
            "a.max_subscriptions, a.max_payload, a.active, a.is_system, p.generation, p.minted_generation, "
            "p.proven_generation, j.jwt FROM accounts a JOIN account_publish p ON p.account = a.seq "
            "LEFT JOIN account_jwt j ON j.account = a.seq",
        ),
        "users": rows(
            db,
            "SELECT u.id, a.id AS account, r.id AS role, u.nats_username, u.full_name, u.active, u.issued_at <> 0 AS issued, "
            "EXISTS (SELECT 1 FROM revocations v WHERE v.account = u.account AND v.public_key = u.public_key AND "
            "v.cause = 'suspend') AS revoked FROM users u JOIN accounts a ON a.seq = u.account JOIN roles r ON r.seq = u.role",
        ),
        "roles": rows(db, "SELECT id, name, description, publish_permissions, max_subscriptions FROM roles"),
        "scopes": rows(
            db,
            "SELECT a.id AS account, r.id AS role FROM signing_keys k JOIN accounts a ON a.seq = k.account "
            "JOIN roles r ON r.seq = k.role",
        ),
        # a seed that belongs to nothing, or a key without its seed
        "strays": rows(
            db,
            "SELECT owner_table, owner_id FROM vault WHERE public_key NOT IN (SELECT public_key FROM accounts WHERE deleted = 0 "
            "UNION ALL SELECT public_key FROM users UNION ALL SELECT public_key FROM signing_keys "
            "UNION ALL SELECT public_key FROM operator) "
            "UNION ALL SELECT 'users', id FROM users WHERE public_key NOT IN (SELECT public_key FROM vault) "
            "UNION ALL SELECT 'signing_keys', id FROM signing_keys WHERE public_key NOT IN (SELECT public_key FROM vault)",
        ),
    }
    json.dump(found, sys.stdout)


main()
