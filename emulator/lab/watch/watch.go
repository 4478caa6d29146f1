package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/natproof/natproof/emulator/lab"
)

// ErrQuit is what Run returns when whoever watches has asked for the end.
var ErrQuit = errors.New("watch: ended at the keyboard")

// Watch is the screen of a lab.
type Watch struct {
	title string
	begun chan func() lab.Snapshot
	over  chan struct{}
}

// New makes one.
func New(title string) *Watch {
	return &Watch{title: title, begun: make(chan func() lab.Snapshot, 1), over: make(chan struct{})}
}

// Start is for lab.Options.OnStart.
func (w *Watch) Start(look func() lab.Snapshot) { w.begun <- look }

// Stop ends Run. It is called once, before Play returns or after.
func (w *Watch) Stop() { close(w.over) }

// Run shows the lab until Stop, or until somebody presses q or ctrl+c, which is ErrQuit. It looks at the
// lab as long as it runs.
func (w *Watch) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m, err := tea.NewProgram(model{watch: w, ctx: ctx, width: usualWidth, height: usualHeight},
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(),
		tea.WithWindowSize(usualWidth, usualHeight)).Run()
	switch last, _ := m.(model); {
	case err != nil:
		return fmt.Errorf("watch: %w", err)
	case last.quit:
		return ErrQuit
	}
	return nil
}

// The size of a screen that does not tell its own.
const usualWidth, usualHeight = 80, 24

// model is what is on the screen.
type model struct {
	watch         *Watch
	ctx           context.Context
	look          func() lab.Snapshot
	now, before   lab.Snapshot
	width, height int
	quit          bool
}

// The messages of a model.
type (
	lookMsg func() lab.Snapshot
	tickMsg time.Time
	overMsg struct{}
)

// every is the time between two looks.
const every = 250 * time.Millisecond

// Init waits for the lab to begin, and for its end.
func (m model) Init() tea.Cmd {
	return tea.Batch(func() tea.Msg {
		select {
		case look := <-m.watch.begun:
			return lookMsg(look)
		case <-m.ctx.Done():
		case <-m.watch.over:
		}
		return nil
	}, func() tea.Msg {
		select {
		case <-m.watch.over:
		case <-m.ctx.Done():
		}
		return overMsg{}
	})
}

func tick() tea.Cmd { return tea.Tick(every, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Update takes what has happened.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if k := msg.String(); k == "q" || k == "ctrl+c" {
			m.quit = true
			return m, tea.Quit
		}
	case lookMsg:
		m.look = msg
		m.now = m.look()
		return m, tick()
	case tickMsg:
		m.before, m.now = m.now, m.look()
		return m, tick()
	case overMsg:
		return m, tea.Quit
	}
	return m, nil
}

// View draws it.
func (m model) View() tea.View {
	v := tea.NewView(Render(m.watch.title, m.now, m.before, m.width, m.height))
	v.AltScreen = true
	return v
}
