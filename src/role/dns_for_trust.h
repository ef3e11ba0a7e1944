/* dns_for_trust.h — the rules of src/trust ask the role `dns`. */
#pragma once

#include "trust/trust_dns.h"

/* For a role with a channel to `dns`. */
struct trust_dns dns_for_trust(void);
