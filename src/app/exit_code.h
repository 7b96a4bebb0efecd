/* SPDX-License-Identifier: Apache-2.0
 * What the process ends with; documented in docs/cli.md. */
#ifndef APP_EXIT_CODE_H
#define APP_EXIT_CODE_H

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* wrong command line, environment or configuration file */
	EXIT_IN_USE = 3, /* the data directory, or the port, is another process's */
	/* the database or the master key: missing, wrong, damaged, too new */
	EXIT_DATA = 4,
	EXIT_WAITS =
		5 /* nothing is wrong: it waits for servers or accounts; run it again */
};

#endif
