// What an account's JWT says, to the official decoder.
import assert from 'node:assert/strict';
import { decode } from '@nats-io/jwt';
import { fromPublic } from '@nats-io/nkeys';

/** The claims of a token, whoever signed it. */
export const claimsIn = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** The signing keys in the claims of an account, those of roles among them. */
export const signingKeysIn = ({ nats }) => (nats.signing_keys ?? []).map((key) => key.key ?? key);

/** The claims of a token. The decoder makes a character of each byte of UTF-8, and does not check the signature. */
export function claimsOf(token) {
  const claims = JSON.parse(Buffer.from(JSON.stringify(decode(token)), 'latin1').toString());
  const [header, payload, signature] = token.split('.');
  const message = new TextEncoder().encode(`${header}.${payload}`);
  assert.ok(fromPublic(claims.iss).verify(message, new Uint8Array(Buffer.from(signature, 'base64url'))), 'the signature fits');
  return claims;
}

/** The claims of the account as soon as it is proven: the API says the same as the directory of each server. */
export async function accountClaims(stage, account) {
  const { jwt } = await stage.proven(account);
  for (const server of stage.servers) assert.equal(await server.stored(account.public_key), jwt, server.name);
  const claims = claimsOf(jwt);
  assert.equal(claims.sub, account.public_key);
  assert.match(claims.iss, /^O/);
  return claims;
}

/** Changes the account and waits for the effect; prints the milliseconds from the answer to it. */
export async function changeUntil(stage, t, account, fields, what, effect) {
  await stage.change(account, fields);
  const since = performance.now();
  const found = await effect(since);
  t.diagnostic(`${what} after ${Math.round(performance.now() - since)} ms`);
  return found;
}
