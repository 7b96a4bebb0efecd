// Auth callout end to end: a service that signs its answers puts clients into accounts, as far as their account allows.
import assert from 'node:assert/strict';
import { createCurve } from '@nats-io/nkeys';
import { CalloutService } from './lib/callout.mjs';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`auth callout on the ${which} server`, { which }, (stage, test) => {
    let role;

    async function makeAccount(name) {
      role ??= await stage.createRole('everything', ['>'], ['>']);
      const account = await stage.createAccount(name);
      const user = await stage.createUser(`${name}-user`, account, role);
      await stage.proven(account);
      return { account, user, client: await stage.connect(user.creds_file) };
    }

    /** The account that asks its service, which is its first user, about all others; one of those. */
    async function makeGate(name, fields) {
      const { account, user, client } = await makeAccount(name);
      const guest = await stage.createUser(`${name}-guest`, account, role);
      const service = await CalloutService.start(stage, account, client);
      await stage.change(account, { callout_auth_users: [user.public_key], ...fields });
      await stage.proven(account);
      return { account, user, client, guest, service };
    }

    const changed = async (account, fields) => {
      await stage.change(account, fields);
      await stage.proven(account);
    };

    const into = ({ service }, { account }) => { service.target = account; };

    /** The service puts the guest there, and the server lets it in. */
    async function assertIn(gate, target) {
      into(gate, target);
      const client = await stage.connect(gate.guest.creds_file, { reconnect: false });
      await target.client.reaches(client, 'hello');
      assert.equal(gate.service.answered.at(-1).name, target.account.name);
      await client.close();
    }

    /** The service puts the guest there, and the server does not let it in. */
    async function assertOut(gate, target) {
      into(gate, target);
      const before = gate.service.answered.length;
      await stage.assertRefused(gate.guest.creds_file);
      assert.ok(gate.service.answered.length > before, 'the service said yes');
      assert.deepEqual(gate.service.failures, []);
    }

    test('clients are put into the own account and those that it allows, and into no others', async () => {
      const gate = await makeGate('gate');
      const [allowed, other] = [await makeAccount('allowed'), await makeAccount('other')];
      await assertIn(gate, gate);
      await assertOut(gate, allowed);
      await changed(gate.account, { callout_allowed_accounts: [allowed.account.public_key] });
      await assertIn(gate, gate);
      await assertIn(gate, allowed);
      await assertOut(gate, other);
      await changed(gate.account, { callout_allowed_accounts: ['*'] });
      await assertIn(gate, other);
      await changed(gate.account, { callout_allowed_accounts: [] });
      await assertOut(gate, allowed);
      await assertIn(gate, gate);
    });

    test('auth users are let in by their JWT, and nobody else is; without them all are', async () => {
      const gate = await makeGate('users');
      into(gate, gate);
      const second = await stage.createUser('second', gate.account, role);
      await (await stage.connect(gate.user.creds_file)).close();
      assert.equal(gate.service.answered.length, 0);
      await (await stage.connect(second.creds_file)).close();
      assert.equal(gate.service.answered.length, 1);
      await changed(gate.account, { callout_auth_users: [gate.user.public_key, second.public_key] });
      await (await stage.connect(second.creds_file)).close();
      assert.equal(gate.service.answered.length, 1);
      await changed(gate.account, { callout_auth_users: [] });
      if (which === 'oldest') { // which forgets the service when it starts
        await stage.servers[0].stop();
        await stage.servers[0].start();
      }
      await (await stage.connect(gate.guest.creds_file)).close();
      assert.equal(gate.service.answered.length, 1);
    });

    test('with an xkey questions are sealed, and answers may be', async () => {
      const curve = createCurve();
      const gate = await makeGate('sealed', { callout_xkey: curve.getPublicKey() });
      gate.service.curve = curve;
      await assertIn(gate, gate);
      gate.service.sealsAnswers = false;
      await assertIn(gate, gate);
      assert.ok(gate.service.answered.every(({ sealed }) => sealed));
      await changed(gate.account, { callout_xkey: '' });
      gate.service.curve = null;
      await assertIn(gate, gate);
      assert.equal(gate.service.answered.at(-1).sealed, false);
    });
  });
}
