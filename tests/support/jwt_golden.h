/* SPDX-License-Identifier: Apache-2.0
 * What the Go library made: tests/golden/jwt-golden.txt. Failures end the test. */
#ifndef SUPPORT_JWT_GOLDEN_H
#define SUPPORT_JWT_GOLDEN_H

/* As setup and teardown of a group: the file is read once. */
int jwt_golden_set_up(void **state);
int jwt_golden_tear_down(void **state);

/* The rest of the line after `before`, searched from the section's title on; the caller
 * frees. */
char *jwt_golden_value(const char *title, const char *before);

/* The token of the section (a name of jwt_samples); the caller frees. */
char *jwt_golden_token(const char *name);

/* From the first dashed line of the creds to the line that ends them; the caller frees.
 */
char *jwt_golden_creds(void);

#endif
