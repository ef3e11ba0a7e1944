/* report_say.h — words of the dialogues about DMARC reports (dialogues.def). */
#pragma once

/* Did the letter with the report pass DMARC?  UNKNOWN: nobody looked. */
enum report_proof { REPORT_PROOF_UNKNOWN, REPORT_PROOF_PASS, REPORT_PROOF_FAIL };
