// Another hand: somebody in the system account who has the operator's signing key, as nsc would.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fromSeed, Prefix } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';
import { createInbox } from '@nats-io/transport-node';
import { operatorClaims } from './operator.mjs';
import { root, until } from './processes.mjs';

const json = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function signingKey(data) {
  const opener = join(root, 'tests/integration/lib/vault.py');
  const trusted = (await operatorClaims(data)).nats.signing_keys;
  return JSON.parse(execFileSync('python3', [opener, data], { encoding: 'utf8' }))
    .filter(([what]) => what.startsWith('seed of signing_keys '))
    .map(([, hex]) => fromSeed(Codec.encodeSeed(Prefix.Operator, new Uint8Array(Buffer.from(hex, 'hex')))))
    .find((key) => trusted.includes(key.getPublicKey()));
}

export class Hand {
  /** A user of the system account, made over the API. */
  static async join(stage) {
    const system = (await stage.accounts()).find(({ name }) => name === 'SYS');
    const role = await stage.createRole('hand', ['$SYS.REQ.>', '$SYS.ACCOUNT.*.CLAIMS.UPDATE'], ['_INBOX.>']);
    const user = await stage.createUser('hand', system, role);
    await stage.proven(system);
    const hand = new Hand();
    Object.assign(hand, { stage, creds: await stage.creds(user), key: await signingKey(stage.data) });
    await hand.connect();
    return hand;
  }

  async connect() {
    this.client = await this.stage.connect(this.creds);
  }

  /** The claims of an account as a token, signed by the operator's key. */
  sign(claims) {
    return this.signText(JSON.stringify({ ...claims, iss: this.key.getPublicKey() }));
  }

  /** The same of what is no JSON that everybody takes. */
  signText(body) {
    const text = `${json({ typ: 'JWT', alg: 'ed25519-nkey' })}.${Buffer.from(body).toString('base64url')}`;
    return `${text}.${Buffer.from(this.key.sign(new TextEncoder().encode(text))).toString('base64url')}`;
  }

  /** All answers of the servers, as text. */
  async ask(subject, body, count = this.stage.servers.length) {
    const answers = [];
    const inbox = createInbox();
    const subscription = this.client.nc.subscribe(inbox, { callback: (_, message) => answers.push(message.string()) });
    this.client.nc.publish(subject, body, { reply: inbox });
    await until(`${count} answers to ${subject}`, () => answers.length >= count);
    subscription.unsubscribe();
    return answers;
  }

  async push(jwt, subject = '$SYS.REQ.CLAIMS.UPDATE') {
    for (const answer of await this.ask(subject, jwt)) {
      assert.equal(JSON.parse(answer).data?.message, 'jwt updated', answer);
    }
    return jwt;
  }

  /** Takes the accounts off all servers. */
  async remove(...keys) {
    const sub = this.key.getPublicKey();
    const request = this.sign({ sub, iat: Math.floor(Date.now() / 1000), nats: { accounts: keys, version: 2 } });
    for (const answer of await this.ask('$SYS.REQ.CLAIMS.DELETE', request)) {
      assert.match(answer, new RegExp(`deleted ${keys.length} accounts`));
    }
  }
}
