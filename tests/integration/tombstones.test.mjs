// Deleted accounts: tombstones for as long as it takes, and then gone for good.
import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Hand } from './lib/hand.mjs';
import { withCache } from './lib/nats.mjs';
import { sql } from './lib/operator.mjs';
import { until } from './lib/processes.mjs';
import { backSoon, onStage } from './lib/stage.mjs';
import { entombed } from './lib/tombstone.mjs';

const AT_ONCE = [...backSoon, '--tombstone-ttl', '0'];
const rows = (stage, account) => Number(sql(stage.data, `SELECT count(*) FROM accounts WHERE id = '${account.id}'`));
const proven = (stage, account) => sql(stage.data, `SELECT proven_generation = generation FROM account_publish p
  JOIN accounts a ON a.seq = p.account WHERE a.id = '${account.id}'`) === '1';

const buried = (stage, account) => until('all rows are gone', () => rows(stage, account) === 0, { deadline: 40_000, every: 200 });

for (const [which, servers] of [['newest', 1], ['newest', 3], ['oldest', 3]]) {
  onStage(`burial on ${servers} of the ${which}`, { which, servers, daemonArgs: AT_ONCE }, (stage, test) => {
    let account, role, creds, hand, old;

    const formed = () => until('all servers are there', async () => (await stage.nats()).servers === servers, { deadline: 30_000 });

    test('an account that is used is deleted', async () => {
      await formed();
      account = await stage.createAccount('doomed');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      const user = await stage.createUser('last', account, role);
      creds = user.creds_file;
      old = (await stage.proven(account)).jwt;
      const client = await stage.connect(creds);
      hand = await Hand.join(stage);
      await stage.remove(user);
      await stage.remove(account);
      await client.event('disconnect');
      await stage.assertRefused(creds);
    });

    test('it leaves all servers and the database, and another of its name may come', async () => {
      await buried(stage, account);
      for (const server of stage.servers) assert.equal(await server.stored(account.public_key), null, server.name);
      const answers = await hand.ask(`$SYS.REQ.ACCOUNT.${account.public_key}.CLAIMS.LOOKUP`, '');
      assert.deepEqual(answers, Array(servers).fill(''));
      assert.equal(sql(stage.data, `SELECT count(*) FROM audit WHERE action = 'bury' AND record_id = '${account.id}'`), '1');
      await stage.assertRefused(creds);
      await stage.proven(await stage.createAccount('doomed'));
      await stage.converged();
      // Nothing of the request, with which everybody could remove accounts, is in the log.
      assert.doesNotMatch(stage.daemon.log(), /eyJ/);
    });

    test('a server that returns with its old JWT is shown, and left alone', async () => {
      const [server] = stage.servers;
      const since = stage.daemon.log().length;
      await hand.push(old);
      const found = await until('it is drift', () => sql(stage.data,
        `SELECT kind FROM drift WHERE account_key = '${account.public_key}' AND repaired_at = 0 LIMIT 1`), { deadline: 50_000, every: 200 });
      assert.equal(found, 'foreign');
      assert.equal(await server.stored(account.public_key), old);
      assert.doesNotMatch(stage.daemon.log().slice(since), /ERROR|level=error/);
    });

    if (servers > 1) {
      test('while a server is down the tombstone stays', async () => {
        const second = await stage.createAccount('second');
        await stage.proven(second);
        const [down, ...others] = [...stage.servers].reverse();
        await down.stop();
        await stage.remove(second);
        await entombed(stage, second, others);
        // A new natsid looks at once, and as soon as it is connected.
        await stage.stopDaemon();
        await stage.startDaemon();
        const third = await stage.createAccount('third');
        await until('what is pushed now is where it can be', async () => (await stage.read(third)).publish_status === 'partial');
        assert.equal(rows(stage, second), 1);
        assert.equal(sql(stage.data, 'SELECT count(*) FROM burials'), '0');
        for (const server of others) assert.ok(await server.stored(second.public_key), server.name);
        await down.start();
        await buried(stage, second);
        for (const server of stage.servers) assert.equal(await server.stored(second.public_key), null, server.name);
      });
    }

    test('killed at any step it comes to the same end', async () => {
      const doomed = [];
      for (let i = 0; i < 4; i += 1) doomed.push(await stage.createAccount(`killed-${i}`));
      for (const one of doomed) await stage.proven(one);
      for (const one of doomed) await stage.remove(one);
      for (let i = 0; i < 6; i += 1) {
        const state = () => sql(stage.data, 'SELECT count(*) || total(removed_at > 0) FROM burials');
        const before = state();
        await until('it has begun, or ended', () => state() !== before || doomed.every((one) => rows(stage, one) === 0), {
          deadline: 40_000, every: 1,
        });
        await stage.daemon.kill();
        await stage.startDaemon();
      }
      for (const one of doomed) {
        await buried(stage, one);
        for (const server of stage.servers) assert.equal(await server.stored(one.public_key), null, server.name);
      }
      await stage.converged();
    });
  });
}

for (const which of ['newest', 'oldest']) {
  onStage(`a ${which} server that removes no accounts`, { which, daemonArgs: AT_ONCE }, (stage, test) => {
    test('the tombstone stays for good, and the log says so once', async () => {
      const [server] = stage.servers;
      await server.stop();
      server.configuration = server.configuration.replace('allow_delete: true', 'allow_delete: false');
      await server.start();
      const account = await stage.createAccount('doomed');
      const role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      const user = await stage.createUser('last', account, role);
      await stage.proven(account);
      await stage.remove(user);
      await stage.remove(account);
      await entombed(stage, account);
      const line = () => stage.daemon.log().match(/deleted accounts stay on the servers.*/g) ?? [];
      await until('the log says why', () => line().length > 0, { deadline: 40_000 });
      assert.match(line()[0], /server=s1/);
      assert.match(line()[0], /delete must be enabled/);
      await until('it is proven', () => proven(stage, account), { deadline: 20_000 });
      assert.equal(sql(stage.data, 'SELECT count(*) FROM burials'), '0');
      await stage.assertRefused(user.creds_file);
      // Nothing else is worse for it.
      const other = await stage.createAccount('other');
      await stage.proven(other);
      assert.equal(line().length, 1);
    });
  });
}

for (const which of ['newest', 'oldest']) {
  // While a server reads all its files for a LIST it does not answer anything else that natsid asks.
  onStage(`a burial on a ${which} server that may have many accounts`, { which, daemonArgs: AT_ONCE }, (stage, test) => {
    test('nobody is asked which accounts there are', async () => {
      const tap = await stage.tap();
      const account = await stage.createAccount('doomed');
      await stage.proven(account);
      // The publisher's passes ask so, the one that is asked for at once, and then none for a minute.
      await stage.swept();
      await until('a pass has asked', () => tap.lists > 0);
      tap.lists = 0;
      tap.lookups.length = 0;
      await stage.remove(account);
      await buried(stage, account);
      assert.equal(tap.lists, 0);
      assert.ok(tap.lookups.includes(account.public_key));
    });
  });

  onStage(`a ${which} server that cannot remove an account`, { which, daemonArgs: AT_ONCE }, (stage, test) => {
    test('it is tried again soon, and the log has its words', async () => {
      const [server] = stage.servers;
      const account = await stage.createAccount('doomed');
      await stage.proven(account);
      // The server gives the file this name.
      const inTheWay = join(server.store, `${account.public_key}.jwt.deleted`, 'x');
      await mkdir(inTheWay, { recursive: true });
      await stage.remove(account);
      const lines = () => stage.daemon.log().match(/deleted accounts.*/g) ?? [];
      await until('the log says why', () => lines().length > 0, { deadline: 40_000 });
      assert.match(lines()[0], /s1: .*deleted 0 accounts, failed for 1/);
      await entombed(stage, account);
      assert.equal(rows(stage, account), 1);
      await rm(join(inTheWay, '..'), { recursive: true });
      await buried(stage, account);
      assert.equal(await server.stored(account.public_key), null);
    });
  });

  onStage(`a cache beside a full resolver, ${which}`, { which, servers: 2, serversLater: true, daemonArgs: AT_ONCE }, (stage, test) => {
    test('what the cache said it removed is enough', async () => {
      const [full, cache] = stage.servers;
      cache.configuration = withCache(cache.configuration);
      await full.start();
      const account = await stage.createAccount('doomed');
      const role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      const user = await stage.createUser('last', account, role);
      await stage.proven(account);
      await cache.start();
      await until('natsid sees both', async () => (await stage.nats()).servers === 2, { deadline: 30_000 });
      // It keeps what its clients need.
      const client = await stage.connect(await stage.creds(user), { servers: [cache.url] });
      await stage.change(account, { description: 'used' });
      await stage.proven(account, { deadline: 40_000 });
      await stage.remove(user);
      await stage.remove(account);
      await client.event('disconnect');
      await buried(stage, account);
      for (const server of stage.servers) assert.equal(await server.stored(account.public_key), null, server.name);
    });
  });
}

for (const which of ['newest', 'oldest']) {
  onStage(`resuming on the ${which} server`, { which }, (stage, test) => {
    test('a resumed account comes back with new bytes, also where another hand removed it', async () => {
      const account = await stage.createAccount('acme');
      const role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      const user = await stage.createUser('one', account, role);
      const hand = await Hand.join(stage);
      const before = (await stage.proven(account)).jwt;
      const client = await stage.connect(user.creds_file);
      await stage.change(account, { active: false });
      await client.event('disconnect');
      const tombstone = (await stage.proven(account)).jwt;
      await hand.remove(account.public_key);
      // natsid hears of it: the tombstone goes back, in bytes that the server does not take for known.
      const restored = await until('the tombstone is back', async () => {
        const { publish_status: status, jwt } = await stage.read(account);
        return status === 'proven' && jwt !== tombstone && (await stage.servers[0].stored(account.public_key)) === jwt && jwt;
      });
      await stage.assertRefused(user.creds_file);
      await stage.change(account, { active: true });
      const { jwt } = await stage.proven(account);
      assert.ok(![before, tombstone, restored].includes(jwt));
      const again = await stage.connect(user.creds_file);
      await again.reaches(again, 'data.x');
    });
  });
}
