/* SPDX-License-Identifier: Apache-2.0
 * The order of locks. A thread that holds one takes only locks further down. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/*
 * All locks are leaves: a thread holds one at a time, and none over a callback or over
 * I/O. They are listed from the outside in all the same, so that one that ever must nest
 * knows its place.
 *
 *  1. app: struct janitor.lock           whether to stop
 *  2. http: struct http_server.lock      requests under way
 *  3. http: struct http_guard.lock       deadlines of bodies and answers
 *  4. publish: struct live.lock          questions, and the answers to them
 *  5. publish: struct inbox.lock         notes for the publisher
 *  6. publish: struct publisher.status_lock
 *  7. bus: struct bus.lock               connection state and the table of requests
 *  8. bus: struct bus_link.lock          one connection
 *  9. service: struct throttle.lock      failed logins
 * 10. service: struct hashing.lock       password hashes under way
 * 11. service: struct turn.lock          whose turn it is to try again
 * 12. service: struct waits.lock         who waits for a commit
 * 13. store: struct store.write_lock     queue of the group commit
 * 14. store: struct store.pool_lock      free read connections
 * 15. base/rand.c                        counter of ids
 *
 * The leader of a group commit runs the others' writes without any of them: it is the
 * only one that touches the write connection. Callbacks of nats.c and the store's list of
 * committed changes arrive with no lock held; they only enqueue.
 */

#endif
