package shop

import "time"

// chatterGap is the time from one line to the next that a pod writes about itself.
func (s *Shop) chatterGap() time.Duration {
	if s.phase().weight != 1 {
		return time.Hour
	}
	return max(time.Second, exponential(s.background, time.Duration(float64(20*time.Second)/s.noise)))
}

type remark struct {
	level   level
	message string
	fields  []field
}

// remarks are what services say without having been asked. The errors among them are
// real, and harmless: something is tried again, or done without.
var remarks = []share[remark]{
	{40, remark{levelDebug, "health check passed", []field{text("probe", "readiness")}}},
	{16, remark{levelInfo, "configuration unchanged", []field{text("source", "configmap")}}},
	{10, remark{levelInfo, "metrics exported", []field{number("series", 212)}}},
	{8, remark{levelWarn, "deprecated setting", []field{text("setting", "tracing.sampler"), text("use", "otel.traces.sampler")}}},
	{8, remark{levelWarn, "clock offset above threshold", []field{number("offset_ms", 13)}}},
	{6, remark{levelError, "failed to refresh feature flags, keeping the last ones", []field{text("error", "read: connection reset by peer")}}},
	{5, remark{levelError, "telemetry export failed, will retry", []field{text("error", "rpc error: code = Unavailable desc = connection closed")}}},
	{4, remark{levelWarn, "idle connection was closed by the peer", nil}},
	{3, remark{levelError, "could not write audit record, queued", []field{text("error", "disk quota is being recalculated")}}},
}

// chatter writes a line that belongs to no request.
func (s *Shop) chatter(p *pod) {
	if p.gone || p.hung || p.log == nil {
		return
	}
	said := pick(s.background, remarks)
	s.log(p, said.level, said.message, nil, nil, said.fields...)
}
