/* SPDX-License-Identifier: Apache-2.0
 * The order of locks. A thread that holds one takes only locks further down. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/*
 * 1. publish: struct publisher.lock   event queue of the publisher
 * 2. bus: struct bus.lock             connection state and the table of requests
 * 3. store: struct store.write_lock   queue of the group commit
 * 4. store: struct store.pool_lock    free read connections
 * 5. vault: struct vault.lock         key ring
 * 6. base/rand.c                      counter of ids
 *
 * No callback and no I/O but the database's under any of them. Callbacks of nats.c, and the store's
 * list of committed changes, arrive with no lock held; they only enqueue.
 */

#endif
