module github.com/natproof/natproof/internal/simnet

go 1.26.0

require (
	github.com/marcopolo/simnet v0.0.7
	github.com/natproof/natproof v0.0.0
)

require (
	github.com/pion/logging v0.2.4 // indirect
	github.com/pion/transport/v3 v3.1.1 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/time v0.12.0 // indirect
)

replace github.com/natproof/natproof => ../..
