/* SPDX-License-Identifier: Apache-2.0 */
#include "service/authorise.h"

#define BIT(verb) (1U << (verb))
#define READ (BIT(VERB_LIST) | BIT(VERB_VIEW))
#define WRITE (BIT(VERB_CREATE) | BIT(VERB_UPDATE) | BIT(VERB_DELETE))

/* What a superuser may do to each collection. The operator is made at init and changed by
 * verbs of its own, never by writing its record. */
static const unsigned superuser_may[COLLECTION_COUNT] = {
	[COLLECTION_OPERATOR] = READ | BIT(VERB_DOWNLOAD),
	[COLLECTION_ACCOUNTS] = READ | WRITE,
	[COLLECTION_ROLES] = READ | WRITE,
	[COLLECTION_USERS] = READ | WRITE | BIT(VERB_DOWNLOAD),
	[COLLECTION_EXPORTS] = READ | WRITE,
	[COLLECTION_IMPORTS] = READ | WRITE,
	[COLLECTION_PUBLISH_QUEUE] = READ,
	[COLLECTION_SUPERUSERS] = READ | WRITE,
};

const char *
actor_name(enum actor_kind kind)
{
	switch (kind) {
	case ACTOR_GUEST:
		return "guest";
	case ACTOR_SUPERUSER:
		return "superuser";
	case ACTOR_CONSOLE:
		return "console";
	case ACTOR_SYSTEM:
		return "system";
	}
	return "guest";
}

int
authorise_refused(const struct collection *collection, struct err *err)
{
	if (collection->why_read_only != NULL) {
		return err_set(err, ERR_FORBIDDEN, "%s", collection->why_read_only);
	}
	return err_set(err, ERR_FORBIDDEN, "The %s cannot be changed this way.",
		collection->noun);
}

int
authorise(const struct actor *actor, enum verb verb, const struct collection *collection,
	const void *row, struct err *err)
{
	(void)row; /* superusers may do the same to every row; actors bound to an account
		      will not */
	switch (actor->kind) {
	case ACTOR_SYSTEM:
	case ACTOR_CONSOLE:
		return 0;
	case ACTOR_SUPERUSER:
		if ((superuser_may[collection->kind] & BIT(verb)) != 0) {
			return 0;
		}
		return authorise_refused(collection, err);
	case ACTOR_GUEST:
		break;
	}
	return err_set(err, ERR_FORBIDDEN, "Only superusers can perform this action.");
}
