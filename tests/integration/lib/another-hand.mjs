// Somebody else in the system account, who has stolen the operator's key too: what natsid must find and put right.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fromSeed, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';
import { Client } from './client.mjs';
import { outsideUser } from './outside.mjs';
import { root } from './processes.mjs';

const encode = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
const decode = (text) => JSON.parse(Buffer.from(text, 'base64url'));

/** Operator keys of the data directory: public key -> key pair. */
function operatorKeys(data) {
  const found = JSON.parse(execFileSync('python3', [join(root, 'tests/integration/lib/vault.py'), data], { encoding: 'utf8' }));
  const pairs = found.filter(([what]) => /^seed of (operator|signing_keys) /.test(what))
    .map(([, hex]) => fromSeed(Codec.encodeSeed(Prefix.Operator, new Uint8Array(Buffer.from(hex, 'hex')))));
  return new Map(pairs.map((pair) => [pair.getPublicKey(), pair]));
}

export class AnotherHand {
  #clients = new Map(); // server -> Client

  static async of(stage) {
    const system = (await stage.accounts()).find(({ name }) => name === 'SYS');
    const { creds } = await outsideUser(stage, system);
    return new AnotherHand(stage, creds);
  }

  constructor(stage, creds) {
    Object.assign(this, { stage, creds });
    this.keys = operatorKeys(stage.data);
  }

  /** The JWT with other claims, signed by `issuer` (who signed it before). */
  forge(jwt, change, issuer) {
    const [header, payload] = jwt.split('.');
    const claims = decode(payload);
    claims.jti = randomBytes(32).toString('hex').toUpperCase();
    if (issuer) claims.iss = issuer;
    change(claims);
    return this.#sign(header, claims);
  }

  #sign(header, claims) {
    const text = `${header}.${encode(claims)}`;
    return `${text}.${Buffer.from(this.keys.get(claims.iss).sign(new TextEncoder().encode(text))).toString('base64url')}`;
  }

  /** Asks through this server; the words of the first one that answers. */
  async #ask(server, subject, payload) {
    if (!this.#clients.has(server)) {
      this.#clients.set(server, await Client.connect([server.url], this.creds, { ignoreClusterUpdates: true }));
    }
    const answer = (await this.#clients.get(server).nc.request(subject, payload, { timeout: 5000 })).json();
    return answer.error?.description ?? answer.data.message;
  }

  push(server, jwt) {
    return this.#ask(server, '$SYS.REQ.CLAIMS.UPDATE', jwt);
  }

  /** Deletes the account on the servers. */
  async remove(server, account) {
    const jwt = await server.stored(account);
    const issuer = decode(jwt.split('.')[1]).iss;
    const now = Math.floor(Date.now() / 1000);
    const claims = { jti: 'DELETE', iat: now, iss: issuer, sub: issuer, nats: { accounts: [account], type: 'generic', version: 2 } };
    return this.#ask(server, '$SYS.REQ.CLAIMS.DELETE', this.#sign(jwt.split('.')[0], claims));
  }

  async close() {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }
}
