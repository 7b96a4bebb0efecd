// Whatever a server lost or missed is pushed again, and nothing else is.
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

onStage('convergence', {}, (stage, test) => {
  let accounts, deleted, role, creds, server;

  /** Name, inode and time of each file of the server: any push shows. */
  async function files() {
    const names = (await readdir(server.store)).filter((name) => name.endsWith('.jwt')).sort();
    const look = async (name) => ({ name, ...(await stat(join(server.store, name), { bigint: true })) });
    return (await Promise.all(names.map(look))).map(({ name, ino, mtimeNs }) => ({ name, ino, mtimeNs }));
  }

  /** Runs change() while the server is down, and waits until natsid has looked at everything again. */
  async function restart(change = () => {}) {
    await server.stop();
    await until('natsid has no server', async () => (await stage.nats()).servers === 0);
    await change();
    await server.start();
    await until('natsid went through all accounts', async () => {
      const { servers, open_accounts: open } = await stage.nats();
      return servers === 1 && open === 0;
    }, { deadline: 20_000 });
  }

  const tombstoned = () => stage.storedClaims(server, deleted, ({ nats }) => nats.revocations?.['*'] > 0);

  test('there are twenty accounts, and a deleted one', async () => {
    [server] = stage.servers;
    accounts = await Promise.all(Array.from({ length: 20 }, (_, i) => stage.createAccount(`account-${i}`)));
    role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    creds = (await stage.createUser('sensor-1', accounts[0], role)).creds_file;
    deleted = await stage.createAccount('deleted');
    await stage.proven(deleted);
    await stage.remove(deleted);
    await tombstoned();
    await stage.converged();
  });

  test('a restarted server that lost nothing is looked at, and nothing is pushed', async () => {
    const before = await files();
    assert.equal(before.length, 22); // and the system account
    await restart();
    assert.deepEqual(await files(), before);
  });

  test('a server that lost everything gets everything, the tombstone too', async () => {
    await restart(() => server.wipe());
    await stage.converged();
    await tombstoned();
    assert.equal((await files()).length, 22);
    await stage.connect(creds);
  });

  test('while a server cannot take what it lost, nothing is called proven; as soon as it can, it gets it', async () => {
    const { configuration } = server;
    await server.stop();
    await until('natsid has no server', async () => (await stage.nats()).servers === 0);
    await server.wipe();
    server.configuration = configuration.replace(/resolver: \{[^}]*\}/, 'resolver: MEMORY');
    await server.start();
    await until('no account is proven', async () => (await stage.accounts()).every((account) => {
      const { publish_status: status, publish_message: message, published_generation: published } = account;
      return status === 'pending' && /full resolver/.test(message) && published === 0;
    }));
    server.configuration = configuration;
    await restart();
    await stage.converged();
    assert.equal((await files()).length, 22);
  });

  test('a push that fails while a lost account is restored is tried again', async () => {
    await restart(async () => {
      await server.wipe();
      // A directory in the place of a file: the server can store everything but this account.
      await mkdir(join(server.store, `${accounts[3].public_key}.jwt`, 'in-the-way'), { recursive: true });
      setTimeout(() => rm(join(server.store, `${accounts[3].public_key}.jwt`), { recursive: true, force: true }), 1500);
    });
    await stage.converged();
    assert.equal((await files()).length, 22);
  });

  test('a server that is back with an older state gets what it lacks, and nothing else', async () => {
    const copy = join(stage.directory, 'older');
    await cp(server.store, copy, { recursive: true, preserveTimestamps: true });
    await stage.change(role, { publish_permissions: ['data.new'] });
    await stage.proven(accounts[0]);
    await restart(async () => {
      await server.wipe();
      await cp(copy, server.store, { recursive: true, preserveTimestamps: true });
    });
    await stage.converged();
    const times = new Map();
    for (const { name } of await files()) {
      times.set(name, [(await stat(join(copy, name))).mtimeMs, (await stat(join(server.store, name))).mtimeMs]);
    }
    const written = [...times].filter(([, [then, now]]) => Math.abs(now - then) > 1).map(([name]) => name);
    assert.deepEqual(written, [`${accounts[0].public_key}.jwt`]);
    await (await stage.connect(creds)).isRefusedToPublish('data.old');
  });

  test('a restarted natsid looks every account up and pushes nothing', async () => {
    const heard = await stage.tap();
    await stage.converged();
    heard.pushes.length = 0;
    heard.lookups.length = 0;
    await stage.stopDaemon();
    await stage.startDaemon();
    const all = (await stage.accounts()).concat(deleted).map((account) => account.public_key);
    await until('every account is looked up', () => all.every((key) => heard.lookups.includes(key)));
    // Had anything been pushed, it would have been heard before this.
    await stage.change(accounts[1], { max_connections: 7 });
    await stage.converged();
    assert.deepEqual(heard.pushes, [(await stage.read(accounts[1])).jwt]);
  });

  test('what changed while natsid could not push is pushed by the next one', async () => {
    await server.stop();
    await stage.change(accounts[2], { max_connections: 8 });
    await stage.change(role, { publish_permissions: ['data.newer'] });
    await stage.stopDaemon();
    await server.start();
    await stage.startDaemon();
    await stage.converged();
    await (await stage.connect(creds)).isRefusedToPublish('data.new');
  });
});
