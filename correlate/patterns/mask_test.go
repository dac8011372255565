package patterns

import "testing"

func TestMask(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain words", "connection refused", "connection refused"},
		{"a number", "took 17 tries", "took <*> tries"},
		{"a signed number", "offset -3 and +4.5", "offset <*> and <*>"},
		{"a range of words is no sign", "retry-3 of pod-abc", "retry-<*> of pod-abc"},
		{"units", "12ms 1.5GiB 99% 30µs 1h2m3.5s 1e-5 1,234", "<*> <*> <*> <*> <*> <*> <*>"},
		{"hexadecimal", "at 0xc0001f ptr=0x1F", "at <*> ptr=<*>"},
		{"a trace ID", "trace 4bf92f3577b34da6a3ce929d0e0e4736 done", "trace <*> done"},
		{"a hash that begins with a letter", "commit deadbee1 of main", "commit <*> of main"},
		{"a word of hexadecimal letters", "the facade decade", "the facade decade"},
		{"an ID in turns of letters and digits", "request req_8fJ3kd92Lx", "request <*>"},
		{"names with a digit", "http2 worker3 log4j utf8", "http2 worker3 log4j utf8"},
		{"a name and a number", "order4711 E0102", "order<*> E<*>"},
		{"a UUID", "id f47ac10b-58cc-4372-a567-0e02b2c3d479.", "id <*>."},
		{"a UUID in capitals that begins with a digit", "id 047AC10B-58CC-4372-A567-0E02B2C3D479", "id <*>"},
		{"IPv4, port and mask", "10.0.0.1 10.0.0.1:8080 10.0.0.0/8", "<*> <*> <*>"},
		{"IPv6", "2001:db8::1 fe80::1 ::1 [::1]:8080", "<*> <*> <*> [<*>]:<*>"},
		{"a MAC address", "from aa:bb:cc:00:11:22 up", "from <*> up"},
		{"a scope is no address", "Cafe::Add std::move a::b", "Cafe::Add std::move a::b"},
		{"RFC 3339", "2026-11-21T14:00:00.123Z 2026-11-21T14:00:00+01:00", "<*> <*>"},
		{"date and time", "2026-11-21 14:00:00,123 started", "<*> started"},
		{"date and time of nginx", "2026/11/21 14:00:00 [error]", "<*> [error]"},
		{"an access log's time", "[21/Nov/2026:14:00:00 +0000]", "[<*>]"},
		{"syslog's time", "Nov  1 14:00:00 host", "<*> <*> <*> host"},
		{"a date with names", "Sat, 21 Nov 2026 14:00:00 GMT", "<*> <*> <*> <*> GMT"},
		{"months that are words", "May I Mark this Sunday", "May I Mark this Sunday"},
		{"a path", "GET /api/orders/4711/items", "GET /api/orders/<*>/items"},
		{"the query of a URL", "https://shop/cart?id=abc&page=2 ok", "https://shop/cart?<*> ok"},
		{"a question", "really? yes", "really? yes"},
		{"a mail address", "to bob.b+x@example.com now, <al@example.org>", "to <*> now, <<*>>"},
		{"a Java object", "com.shop.Cart@1a2b3c4d", "com.shop.Cart@<*>"},
		{"a value in quotes", `user "bob b" unknown`, `user "<*>" unknown`},
		{"in single quotes", "column 'a b' unknown", "column '<*>' unknown"},
		{"apostrophes", "can't find bob's cart", "can't find bob's cart"},
		{"a quotation without an end", `said "hello there`, `said "hello there`},
		{"an escaped quote", `name="a \" b" x`, `name="<*>" x`},
		{"a request", `"GET /cart/17 HTTP/1.1" 500`, `"GET /cart/<*> HTTP/<*>" <*>`},
		{"klog's message", `c.go:1] "Pod ready" pod="a/b"`, `c.go:<*>] "Pod ready" pod="<*>"`},
		{"klog's message with a full stop", `c.go:1] "Pod ready." pod="a/b" x`, `c.go:<*>] "Pod ready." pod="<*>" x`},
		{"names in JSON", `got {"user": "bob"}`, `got {"user": "<*>"}`},
		{"lists", `ids=[1, 2, 3] names=["a", "b c"]`, `ids=[<*>] names=["<*>"]`},
		{"a pair keeps its name", "id=17 user=bob", "id=<*> user=bob"},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(mask(nil, normalize(test.text))); got != test.want {
				t.Errorf("mask(%q)\n got %q\nwant %q", test.text, got, test.want)
			}
		})
	}
}
