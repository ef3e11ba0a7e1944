/* report_account.h — where letters to the address of DMARC reports are "delivered": `queue` has `scan` read them and
 * `user` keep what they say (role/queue/reports.c).  No account has such a name. */
#pragma once

#define REPORTS_ACCOUNT ":dmarc-reports:"
