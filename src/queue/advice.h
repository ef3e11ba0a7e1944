/* advice.h — what can be done about a refusal, if its words are known ones (advice.def). */
#pragma once

#include "base/str.h"

/* A sentence or two, or empty. */
struct str advice_for(struct str text);
