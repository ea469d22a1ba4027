/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ended, as an exit code. */
#include "lib/cli/exit.h"
#include "migrate/session.h"

int session_exit_code(enum run_state state, bool rollback)
{
	switch (state) {
	case RUN_DONE:
		return CLI_OK;
	case RUN_ROLLED_BACK:
		return rollback ? CLI_OK : CLI_ROLLED_BACK;
	case RUN_PAUSED:
		return CLI_INTERRUPTED;
	case RUN_INCONCLUSIVE:
		return CLI_INCONCLUSIVE;
	case RUN_STOPPED:
	case RUN_CONFLICT:
		return CLI_BLOCKED;
	case RUN_ROLLBACK_STOPPED:
		return CLI_ROLLBACK_FAILED;
	case RUN_FAILED:
	case RUN_RUNNING:
	case RUN_ROLLING_BACK:
		break;
	}
	return CLI_FAILED;
}
