// A server that answers that it is there, and no lookup: neither the accounts that nobody changes nor those that
// somebody does wait for it longer than they have to.
import assert from 'node:assert/strict';
import { withCache } from './lib/nats.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const ACCOUNTS = 600; // some times what is looked up at once
const LIMIT = 10_000; // so long a change waits for one that may be a cache
const SLACK = 20_000; // the debounce, and a busy machine

const withMemory = (text) => text.replace(/^resolver: \{[^}]*\}/m, 'resolver: MEMORY');
const SILENT = /shows no account's JWT.* server=s2$/gm;
const SHOWN = /show what they hold again/g;
const count = (text, pattern) => (text.match(pattern) ?? []).length;

/** The full server comes to hold the account with this description. */
const arrives = (stage, description, deadline) => (
  stage.storedClaims(stage.servers[0], stage.account, ({ nats }) => nats.description === description, { deadline }));

function onMute(title, which, mute, define) {
  onStage(`${title}, ${which}`, { which, servers: 2, serversLater: true }, (stage, test) => {
    test('all hold their accounts, and one joins that shows none', async () => {
      const [full, silent] = stage.servers;
      await full.start();
      const names = Array.from({ length: ACCOUNTS }, (_, i) => `account-${i}`);
      while (names.length > 0) await Promise.all(names.splice(-50).map((name) => stage.createAccount(name)));
      stage.account = await stage.createAccount('acme');
      stage.other = await stage.createAccount('shop');
      await until('all are proven', async () => (
        (await stage.api('GET', '/api/collections/nats_publish_queue/records?perPage=1')).totalItems === 0), { deadline: 30_000 });
      const was = silent.configuration;
      silent.configuration = mute(was);
      assert.notEqual(silent.configuration, was);
      await silent.start();
      await until('natsid sees both', async () => (await stage.nats()).servers === 2, { deadline: 20_000 });
    });

    define(stage, test);
  });
}

/** natsid tells of a few accounts only, and of the server once. */
function assertFewLines(stage) {
  const log = stage.daemon.log();
  assert.ok(count(log, /account not proven/g) <= 3, log);
  assert.doesNotMatch(log, /further accounts are not proven/);
  assert.equal(count(log, SILENT), 1, log);
}

const resolverOf = async (stage, name) => (
  (await stage.api('GET', '/api/v1/servers')).items.find((server) => server.name === name).resolver);

for (const which of ['newest', 'oldest']) {
  onMute('a cache joins', which, withCache, (stage, test) => {
    test('natsid learns what it is, though nothing changes', async () => {
      await until('it is known', async () => (await resolverOf(stage, 's2')) === 'cache', { deadline: LIMIT + SLACK });
      await until('it is waited for no longer', () => count(stage.daemon.log(), SHOWN) === 1, { deadline: LIMIT + SLACK });
      assertFewLines(stage);
    });

    test('a change does not wait for it', async () => {
      await stage.change(stage.account, { description: 'an ordinary change' });
      await arrives(stage, 'an ordinary change', LIMIT);
    });
  });

  onMute('one with its accounts in memory joins', which, withMemory, (stage, test) => {
    test('a change goes out in time', async () => {
      await stage.change(stage.account, { description: 'an ordinary change' });
      await arrives(stage, 'an ordinary change', LIMIT + SLACK);
    });

    test('it is said who shows nothing, of the server and of the accounts', async () => {
      await until('natsid says so', () => count(stage.daemon.log(), SILENT) > 0, { deadline: LIMIT + SLACK });
      await until('of an account', async () => {
        const { publish_status: status, publish_message: message } = await stage.read(stage.other);
        assert.notEqual(status, 'proven');
        return message === 's2 is being checked';
      }, { deadline: 30_000 });
      assertFewLines(stage);
    });

    test('when it is stopped the others are enough', async () => {
      await stage.servers[1].stop();
      await stage.change(stage.account, { description: 'without it' });
      await arrives(stage, 'without it', LIMIT);
      await until('natsid says so', () => count(stage.daemon.log(), SHOWN) > 0, { deadline: 20_000 });
    });
  });
}
