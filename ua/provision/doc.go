// Package provision reads and writes the provisioning documents of the RTC Client API: who a
// user is, which servers there are, and what each is for. It is for those who have such
// documents, or want one file for an account, and makes of them what package ua takes.
//
//	doc, err := provision.Parse(text)           // or ParseYAML
//	profiles, err := doc.Profiles(ctx, time.Now(), nil)
//	profile, err := client.NewProfile(profiles[0].ProfileConfig)
//
// # The document
//
// The schema is version 1.2 as published ("RTC Client API XML Schema", ee501564), a closed
// model: an element or attribute that is not in it is an error, and so is text.
//
//	provision  key (required), name (required), expires; one user, any number of sipsrv
//	           from one up, a client or none, a provider or none
//	user       uri (required), account, name, password, realm, allowedauth
//	sipsrv     addr, protocol, role (all required), auth; any number of session
//	session    party, type (both required)
//	client     name (required), banner, updates, minver, curver, updateuri
//	provider   name, homepage, helpdesk, personal, calldisplay, idledisplay
//
// Document is the same as a Go value, and YAML has it with the same names; see ParseYAML. A
// document that breaks rules is told of all of them at once: the error is Problems, each with
// line and column and one of the errors of this package. Document.Check holds a Go value to
// the same rules, and nothing is written that breaks one.
//
// # Where the published text is silent or at odds with itself
//
//   - The words of allowedauth are taken to have spaces between them, as the schema lists them.
//   - protocol may be in lower case, as it is in samples. All other words are as in the prose.
//   - expires is a time with a zone (RFC 3339), though the type dateTime.tz needs neither.
//   - role, party and type have no default and are required.
//   - Samples lack "sip:" in uri, which the prose demands. Options.Lenient accepts that.
//   - accesscontrol, which is in samples, and policy and data, which are in prose, are not in
//     the schema: unknown.
//
// # What it is not
//
// No document is fetched, and no signature is looked at. Servers of TCP and TLS are read and
// written, but no profile is made of them: package ua speaks SIP over UDP. So basic, NTLM and
// Kerberos authentication are words only.
package provision
