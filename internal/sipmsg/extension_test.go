package sipmsg

import "testing"

func TestParseSessionExpires(t *testing.T) {
	for _, c := range []struct {
		in   string
		want SessionExpires
		ok   bool
	}{
		{"1800", SessionExpires{1800, ""}, true},
		{" 90 ; refresher = UAS;x=y", SessionExpires{90, "uas"}, true},
		{"90;refresher=uac", SessionExpires{90, "uac"}, true},
		{"90;refresher=proxy", SessionExpires{}, false},
		{"90;refresher", SessionExpires{}, false},
		{"", SessionExpires{}, false},
		{"-1", SessionExpires{}, false},
		{"+1", SessionExpires{}, false},
		{"4294967296", SessionExpires{}, false},
	} {
		if got, ok := ParseSessionExpires(c.in); got != c.want || ok != c.ok {
			t.Errorf("%q: %+v %v", c.in, got, ok)
		}
	}
}

func TestParseRAck(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // "" is an error
	}{
		{"776656 1 INVITE", "776656 1 INVITE"},
		{"  7\t1  INVITE", "7 1 INVITE"},
		{"0 1 INVITE", ""},
		{"1 1", ""},
		{"1", ""},
		{"", ""},
		{"1 x INVITE", ""},
		{"4294967296 1 INVITE", ""},
		{"+1 1 INVITE", ""},
	} {
		got, ok := ParseRAck(c.in)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%q: %+v %v", c.in, got, ok)
		}
	}
}

// What is read is written so that it is read the same.
func FuzzExtensions(f *testing.F) {
	for _, s := range []string{"1800;refresher=uac", "90 ;x=\"a;b\";refresher=uas", "776656 1 INVITE", "1\r\n 2 \tINVITE", ";;", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := ParseSessionExpires(s); ok {
			if again, ok := ParseSessionExpires(v.String()); !ok || again != v {
				t.Errorf("%q: %+v, again %+v", s, v, again)
			}
		}
		if v, ok := ParseRAck(s); ok {
			if again, ok := ParseRAck(v.String()); !ok || again != v {
				t.Errorf("%q: %+v, again %+v", s, v, again)
			}
		}
		ParseRSeq(s)
	})
}
