// Servers that answer late, twice, nonsense or nothing: natsid calls nothing proven that is not, goes on answering, and
// comes to its end as soon as they behave.
import assert from 'node:assert/strict';
import { decode } from '@nats-io/jwt';
import { createServer } from '@nats-io/nkeys';
import { claimsIn } from './lib/claims.mjs';
import { FakeServer } from './lib/fake-server.mjs';
import { must } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage, Stage } from './lib/stage.mjs';

const MB = 1024 * 1024;

/** A stage whose servers are scripts. options.names: of the servers that one stands for. */
class FakeStage extends Stage {
  async up() {
    await this.prepare();
    const { stdout } = await must(['export', 'operator-jwt', '--data', this.data]);
    const claims = decode(stdout.trim());
    this.fake = await new FakeServer({ names: this.options.names, operators: [claims], systemAccount: claims.nats.system_account }).start();
    await this.startDaemon({ args: ['--nats-publish-timeout', '1s'] }); // many answers are waited for in vain
  }

  get urls() { return [this.fake.url]; }

  async down() {
    await super.down();
    await this.fake?.stop();
  }
}

const fakeServer = (name = 'stranger') => ({ name, id: createServer().getPublicKey(), cluster: 'elsewhere', ver: '2.11.9' });
const subjectOf = (payload) => claimsIn(payload).sub;
const stored = (member, payload, more = {}) => ({ server: member.server, data: { account: subjectOf(payload), code: 200, message: 'jwt updated', ...more } });

/** Cases of one question: what is answered to it as long as it lasts. */
const wrongTypes = [
  'null', 'true', '7', '"text"', '[]', '[[]]', '{}', '{"server":null}', '{"server":[],"data":{}}', '{"server":{"id":7,"name":{}},"data":[]}',
  '{"server":{"id":"","name":""},"data":{}}', '{"server":{"id":"N"},"data":{"code":"200","message":200}}',
  '{"server":{"id":"N"},"error":"text"}', '{"server":{"id":"N"},"error":{"description":[]},"data":null}',
  '{"server":{"id":"N"},"statsz":7}', '{"server":{"id":"N"},"statsz":{"active_servers":"two"}}', '{"server":{"id":"N"},"statsz":{"active_servers":-1}}',
  '{"server":{"id":"N"},"data":{"trusted_operators_claim":[7,{"sub":7}]}}',
];
const malformed = ['', '{', '\0', '{"server":', 'eyJ.eyJ.eyJ', '\xff\xfe', '{"a":1,"a":2}', `${'['.repeat(5000)}`, ...wrongTypes];

const answersOf = {
  UPDATE: {
    'no answer': () => {},
    'malformed answers': (q) => malformed.forEach((text) => q.send(text)),
    'a server that nobody knows': (q) => q.send(stored({ server: fakeServer() }, q.payload)),
    'the same server, twice': (q, fake) => { q.send(stored(fake.members[0], q.payload)); q.send(stored(fake.members[0], q.payload)); },
    'an error beside code 200': (q, fake) => fake.members.forEach((member) => q.send({
      ...stored(member, q.payload), error: { account: subjectOf(q.payload), code: 500, description: 'jwt update resulted in error - disk full' },
    })),
    'an error': (q, fake) => fake.members.forEach((member) => q.send({
      server: member.server, error: { account: subjectOf(q.payload), code: 200, description: 'jwt update resulted in error - disk full' },
    })),
    'skipped': (q, fake) => fake.members.forEach((member) => q.send(stored(member, q.payload, { message: 'jwt update cache skipped' }))),
    'stored, which is a lie': (q, fake) => fake.members.forEach((member) => q.send(stored(member, q.payload))),
    'words of several MB': (q, fake) => fake.members.forEach((member) => q.send(stored(member, q.payload, { message: `jwt updated ${'x'.repeat(3 * MB)}` }))),
    'nobody listens': (q) => q.none(),
    'another account': (q, fake) => fake.members.forEach((member) => q.send({
      server: member.server, data: { account: `A${'B'.repeat(55)}`, code: 200, message: 'jwt updated' },
    })),
  },
  LOOKUP: {
    'no answer': () => {},
    'malformed answers': (q) => malformed.forEach((text) => q.send(text)),
    'nothing': (q, fake) => fake.members.forEach(() => q.send('')),
    'one byte less': (q, fake) => fake.members.forEach((member) => q.send((member.held.get(q.key) ?? '').slice(0, -1))),
    'several MB': (q, fake) => fake.members.forEach(() => q.send('x'.repeat(4 * MB))),
    'nobody listens': (q) => q.none(),
  },
  PING: {
    'no answer': () => {},
    'malformed answers': (q) => malformed.forEach((text) => q.send(text)),
    'several MB': (q, fake) => fake.members.forEach((member) => q.send({ server: member.server, statsz: { active_servers: 2, more: 'x'.repeat(4 * MB) } })),
    'more servers than there are': (q, fake) => { q.usual(); for (let i = 0; i < 100; i += 1) q.send({ server: fakeServer(`s${i}`), statsz: { active_servers: fake.members.length } }); },
    'nobody listens': (q) => q.none(),
  },
  anything: {
    'no answer': () => {},
    'malformed answers': (q) => malformed.forEach((text) => q.send(text)),
    'several MB': (q, fake) => fake.members.forEach(({ server }) => q.send({ server, data: { more: 'x'.repeat(4 * MB) } })),
    'an answer of a server that nobody knows': (q) => q.send({ server: fakeServer(), data: {} }),
    'an error': (q, fake) => fake.members.forEach(({ server }) => q.send({ server, error: { code: 500, description: 'no' } })),
    'nobody listens': (q) => q.none(),
  },
};

onStage('two servers that are scripts', { type: FakeStage, names: ['f1', 'f2'] }, (stage, test) => {
  const cases = ['UPDATE', 'LOOKUP'].flatMap((kind) => Object.entries(answersOf[kind]).map(([what, behaviour]) => ({ kind, what, behaviour })));
  let tenant, changes = 0;

  const change = (account = tenant) => stage.change(account, { max_connections: 100 + (changes += 1) });
  const keyOf = ({ key, payload }) => key ?? subjectOf(payload);
  const asked = (kind, { public_key: key }) => stage.fake.asked.filter((q) => q.kind === kind && keyOf(q) === key).length;

  /** What natsid says of the account; where it says "proven", each server holds it. */
  async function judged(account = tenant) {
    const record = await stage.read(account);
    const held = stage.fake.members.map((member) => member.held.get(account.public_key));
    if (record.publish_status === 'proven') assert.deepEqual(held, held.map(() => record.jwt), 'what is called proven is there');
    return record;
  }

  /** As soon as the servers behave, all is proven, and there. */
  async function recovers(account = tenant) {
    await stage.proven(account, { deadline: 40_000 });
    await judged(account);
    assert.deepEqual(stage.fake.problems, []);
  }

  /** natsid asked so often, and did not call it proven meanwhile. */
  const notProven = (kind, account, times) => until(`natsid asked ${times} times`, async () => {
    assert.notEqual((await stage.read(account)).publish_status, 'proven');
    return asked(kind, account) >= times;
  }, { deadline: 40_000 });

  test('well-behaved, they get all', async () => {
    tenant = await stage.createAccount('tenant');
    await recovers();
    for (const each of cases) each.account = await stage.createAccount(`${each.kind} ${each.what}`);
    for (const each of cases) await recovers(each.account);
  });

  // All at once, each with its own account: they must not stand in each other's way, either.
  test('each then answers badly to what concerns one account', async () => {
    for (const kind of ['UPDATE', 'LOOKUP']) {
      const behaviours = new Map(cases.filter((each) => each.kind === kind).map(({ account, behaviour }) => [account.public_key, behaviour]));
      stage.fake.answer(kind, (q, fake) => (behaviours.get(keyOf(q)) ?? (() => q.usual()))(q, fake));
    }
    for (const each of cases) {
      each.before = asked(each.kind, each.account);
      await change(each.account);
    }
  });
  for (const each of cases) {
    test(`${each.kind}: ${each.what}: not proven`, () => notProven(each.kind, each.account, each.before + 2));
  }
  test('what is asked of them well is proven meanwhile', async () => {
    await change();
    await recovers();
  });
  test('they behave again', () => stage.fake.behave());
  for (const each of cases) test(`${each.kind}: ${each.what}: proven in the end`, () => recovers(each.account));

  for (const [what, behaviour] of Object.entries(answersOf.PING)) {
    test(`PING: ${what}`, async () => {
      stage.fake.answer('PING', behaviour);
      const before = stage.fake.count('PING');
      await change();
      await until('natsid asked for its servers', async () => {
        await judged();
        return stage.fake.count('PING') > before;
      }, { deadline: 30_000 });
    });
  }
  test('PING: all is proven as soon as they behave', async () => {
    stage.fake.behave();
    await change();
    await recovers();
  });
  test('PING: nonsense beside what they always say holds nothing up', async () => {
    stage.fake.answer('PING', (q) => {
      malformed.forEach((text) => q.send(text));
      q.usual();
    });
    for (const member of stage.fake.members) member.restart();
    for (let i = 0; i < 3; i += 1) {
      const before = stage.fake.count('PING');
      await change();
      await recovers();
      await until('natsid asked again', () => stage.fake.count('PING') > before);
    }
    stage.fake.behave();
  });

  // What is asked of a server that is new, and of all now and then.
  for (const kind of ['VARZ', 'LIST']) {
    for (const [what, behaviour] of Object.entries(answersOf.anything)) {
      test(`${kind}: ${what}`, async () => {
        stage.fake.answer(kind, behaviour);
        for (const member of stage.fake.members) member.restart();
        const before = stage.fake.count(kind);
        await change();
        if (kind === 'LIST') await stage.daemon.api('POST', '/api/v1/reconcile');
        await until('natsid asked', async () => {
          await judged();
          return stage.fake.count(kind) > before;
        }, { deadline: 30_000 });
      });
    }
    test(`${kind}: all is proven as soon as they behave`, async () => {
      stage.fake.behave();
      for (const member of stage.fake.members) member.restart();
      await change();
      await recovers();
    });
  }

  test('events that are nonsense, and nonsense that another hand pushes', async () => {
    const key = tenant.public_key;
    for (const text of [...malformed, 'x'.repeat(3 * MB), (await stage.read(tenant)).jwt.slice(0, -5)]) {
      stage.fake.publish(`$SYS.SERVER.${stage.fake.members[0].id}.STATSZ`, text);
      stage.fake.publish('$SYS.SERVER.nobody.STATSZ', text);
      stage.fake.publish('$SYS.REQ.CLAIMS.UPDATE', text);
      stage.fake.publish(`$SYS.REQ.ACCOUNT.${key}.CLAIMS.UPDATE`, text);
      stage.fake.publish(`$SYS.ACCOUNT.${key}.CLAIMS.UPDATE`, text);
      stage.fake.publish('$SYS.REQ.ACCOUNT.nobody.CLAIMS.UPDATE', text);
    }
    await change();
    await recovers();
  });

  test('answers that come late and twice: those of the try before do not count for the next', async () => {
    const late = [];
    // Nobody stores anything, and what each try should have been told arrives with the next one.
    stage.fake.answer('UPDATE', (q, fake) => {
      for (const send of late.splice(0)) { send(); send(); }
      late.push(() => fake.members.forEach((member) => q.send(stored(member, q.payload))));
    });
    const before = asked('UPDATE', tenant);
    await change();
    await notProven('UPDATE', tenant, before + 2);
    stage.fake.behave();
    await recovers();
  });

  test('one server that stores nothing is not made up for by the other one', async () => {
    const [first, second] = stage.fake.members;
    stage.fake.answer('UPDATE', (q) => {
      q.usual([first]);
      q.send(stored(first, q.payload));
    });
    stage.fake.answer('LOOKUP', (q) => { q.usual([first, first]); });
    const before = asked('UPDATE', tenant);
    await change();
    await notProven('UPDATE', tenant, before + 2);
    assert.notEqual(second.held.get(tenant.public_key), first.held.get(tenant.public_key));
    stage.fake.behave();
    await recovers();
  });

  test('natsid came through all of it as one process', async () => {
    assert.equal(stage.daemon.hasEnded(), false);
    await stage.converged({ servers: [] });
  });
});

onStage('two servers of one name', { type: FakeStage, names: ['twin', 'twin'] }, (stage, test) => {
  test('are not taken for one: what only one of them holds is not proven', async () => {
    const [first, second] = stage.fake.members;
    stage.fake.answer('UPDATE', (q) => q.usual([first]));
    const tenant = await stage.createAccount('tenant');
    const before = stage.fake.count('UPDATE');
    await until('natsid tried', async () => {
      const { publish_status: status, jwt } = await stage.read(tenant);
      if (status === 'proven') assert.equal(second.held.get(tenant.public_key), jwt);
      return stage.fake.count('UPDATE') >= before + 2;
    }, { deadline: 30_000 });
    assert.notEqual((await stage.read(tenant)).publish_status, 'proven');
    stage.fake.behave();
    // Both hold it now. natsid may refuse to call that proven, as it cannot tell the two apart, but it says why.
    const last = await until('natsid has come to an end with it', async () => {
      const record = await stage.read(tenant);
      const all = stage.fake.members.every((member) => member.held.get(tenant.public_key) === record.jwt);
      return all && (record.publish_status === 'proven' || record.publish_message !== '') && record;
    }, { deadline: 30_000 });
    assert.ok(last.publish_status === 'proven' || /twin/.test(last.publish_message), last.publish_message);
  });

  test('the places where people look say so', async () => {
    const why = /^two servers are both called twin, so nothing can be proven/;
    assert.match((await stage.nats()).blocked, why);
    assert.match((await stage.api('GET', '/api/v1/servers')).blocked, why);
    const { stdout } = await must(['servers', 'list', '--data', stage.data]);
    assert.match(stdout, /^Since 2\S+ \S+: two servers are both called twin/m);
    const metrics = await (await fetch(`${stage.daemon.url}/metrics`)).text();
    assert.match(metrics, /^natsid_push_blocked 1$/m);
  });
});
