/* SPDX-License-Identifier: Apache-2.0
 * Taking the activations of an export back, and giving them again. */
#ifndef SERVICE_EXPORT_H
#define SERVICE_EXPORT_H

#include "base/nkey_text.h"
#include "service/authorise.h"
#include "service/preview.h"
#include "service/service.h"

/* preview: NULL to do it, see service/preview.h. */

/* Activations of the export that the importer (NULL: anybody) got until now are refused,
 * and it gets no new ones. ERR_CONFLICT: the export needs no activation. */
int service_export_revoke(struct service *service, const struct actor *actor,
	const char *id, const struct nkey_public *importer, struct preview *preview,
	struct err *err) MUST_CHECK;

/* Lifts that; imports of our accounts get new activations. ERR_CONFLICT: nothing is
 * revoked. */
int service_export_allow(struct service *service, const struct actor *actor,
	const char *id, const struct nkey_public *importer, struct preview *preview,
	struct err *err) MUST_CHECK;

#endif
