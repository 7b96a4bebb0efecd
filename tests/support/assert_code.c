/* SPDX-License-Identifier: Apache-2.0 */
#include "support/assert_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

void
assert_code(int rc, const struct err *err, enum err_code code)
{
	if (rc != -1 || err->code != code) {
		fail_msg("rc %d, %s instead of %s: %s (%s)", rc, err_code_name(err->code),
			err_code_name(code), err->msg, err->detail);
	}
}
