// Users whom natsid did not make: signed here, with the account's plain key out of the test's own data directory.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { encodeUser, fmtCreds } from '@nats-io/jwt';
import { createUser, fromPublic, fromSeed, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';
import { root } from './processes.mjs';

/** The plain key of the account's record, to sign with. */
export function plainKey(stage, account) {
  const opener = join(root, 'tests/integration/lib/vault.py');
  return JSON.parse(execFileSync('python3', [opener, stage.data], { encoding: 'utf8' }))
    .filter(([what]) => what.startsWith('seed of signing_keys '))
    .map(([, hex]) => fromSeed(Codec.encodeSeed(Prefix.Account, new Uint8Array(Buffer.from(hex, 'hex')))))
    .find((key) => key.getPublicKey() === account.signing_public_key);
}

/** {jwt, creds} of a user of the account; claims: what its JWT says itself. */
export async function outsideUser(stage, account, claims = {}) {
  const user = createUser();
  const jwt = await encodeUser('outside', user, fromPublic(account.public_key), claims, { signer: plainKey(stage, account) });
  return { jwt, creds: new TextDecoder().decode(fmtCreds(jwt, user)) };
}
