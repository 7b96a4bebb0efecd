// An auth callout service: signs, with keys out of the test's own data directory, what it answers to the servers.
import { decode, encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt';
import { fromPublic } from '@nats-io/nkeys';
import { plainKey } from './outside.mjs';

const text = (bytes) => new TextDecoder().decode(bytes);
const bytes = (string) => new TextEncoder().encode(string);

export class CalloutService {
  curve = null; // opens what servers ask; null: they ask in the open
  sealsAnswers = true; // if there is a curve
  answered = []; // {name, sealed}: the target's name, and whether the question was sealed
  failures = [];
  #target = null;
  #keys = new Map(); // taken beforehand: a server waits two seconds for an answer

  /** Of the account `gate`, as the client, which must be one of its auth users. */
  static async start(stage, gate, client) {
    const service = new CalloutService(stage, gate);
    client.nc.subscribe('$SYS.REQ.USER.AUTH', {
      queue: 'auth',
      callback: (_, message) => service.#answer(message).catch((error) => service.failures.push(error)),
    });
    await client.nc.flush();
    return service;
  }

  constructor(stage, gate) {
    this.stage = stage;
    this.gate = gate;
    this.#key(gate);
  }

  /** The account's record that clients are put into. */
  set target(account) {
    this.#target = account;
    this.#key(account);
  }

  get target() { return this.#target; }

  async #answer(message) {
    const { target, curve, gate } = this;
    const serverKey = message.headers?.get('Nats-Server-Xkey');
    const question = decode(text(curve ? curve.open(message.data, serverKey) : message.data)).nats;
    const user = fromPublic(question.user_nkey);
    const jwt = await encodeUser('called', user, fromPublic(target.public_key), {}, { signer: this.#key(target) });
    const answer = bytes(await encodeAuthorizationResponse(user, fromPublic(question.server_id.id), fromPublic(gate.public_key),
      { jwt }, { signer: this.#key(gate) }));
    message.respond(curve && this.sealsAnswers ? curve.seal(answer, serverKey) : answer);
    this.answered.push({ name: target.name, sealed: text(message.data.subarray(0, 4)) === 'xkv1' });
  }

  #key(account) {
    if (!this.#keys.has(account.id)) this.#keys.set(account.id, plainKey(this.stage, account));
    return this.#keys.get(account.id);
  }
}
