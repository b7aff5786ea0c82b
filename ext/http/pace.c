/* ext/http/pace.c: how many requests a second a server lets pass, learnt from
 * its answers alone, as the "adaptive" retries of AWS's SDKs learn it.
 *
 * The rate of what is answered is measured in slots of half a second, each
 * smoothed into those before.  A throttled answer sets the allowed rate to a
 * part of what was measured; from there it climbs back along CUBIC's curve
 * (RFC 9438): fast at first, flat around the rate that was too much, then ever
 * faster, to find out whether more is allowed by now.  It never exceeds twice
 * what is really sent, so that a pause does not earn a burst. */
#include <math.h>
#include <string.h>

#include "http/internal.h"

enum { PACE_SLOT_MS = 500 };
static const double pace_smooth = 0.8, pace_scale = 0.4, pace_cut = 0.7,
                    pace_ahead = 2.0;

void cq_pace_begin(cq_pace *p, int64_t now_ms) {
  memset(p, 0, sizeof *p);
  p->slot_ms = now_ms - now_ms % PACE_SLOT_MS;
}

static void pace_count(cq_pace *p, int64_t now_ms) {
  int64_t slot = now_ms - now_ms % PACE_SLOT_MS;

  p->count++;
  if (slot <= p->slot_ms) return;
  p->sent =
      pace_smooth * (double)p->count * 1000.0 / (double)(slot - p->slot_ms) +
      (1 - pace_smooth) * p->sent;
  p->count = 0;
  p->slot_ms = slot;
}

/* As many seconds after a cut the curve is back at what was too much. */
static double pace_level(const cq_pace *p) {
  return cbrt(p->most * (1 - pace_cut) / pace_scale);
}

void cq_pace_answer(cq_pace *p, int64_t now_ms, int throttled) {
  double rate;

  pace_count(p, now_ms);
  if (throttled) {
    p->most = p->on && p->rate < p->sent ? p->rate : p->sent;
    p->cut_ms = now_ms;
    p->on = 1;
    rate = p->most * pace_cut;
  } else {
    double s = (double)(now_ms - p->cut_ms) / 1000.0 - pace_level(p);

    if (!p->on) return;
    rate = pace_scale * s * s * s + p->most;
  }
  if (rate > pace_ahead * p->sent) rate = pace_ahead * p->sent;
  p->burst = rate > 1 ? rate : 1;
  p->rate = rate > CQ_PACE_LEAST ? rate : CQ_PACE_LEAST;
}
