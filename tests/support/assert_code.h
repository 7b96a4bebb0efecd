/* SPDX-License-Identifier: Apache-2.0
 * How a call must have failed. */
#ifndef SUPPORT_ASSERT_CODE_H
#define SUPPORT_ASSERT_CODE_H

#include "base/err.h"

/* It returned -1, and said this. */
void assert_code(int rc, const struct err *err, enum err_code code);

#endif
