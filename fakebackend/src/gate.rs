//! Opens and closes the door: the one task that knows whether the backend is to be up, and makes it so.
//!
//! Three things can take it down: being told to (`PUT /state`), the rhythm of a flap, and a `refuse`
//! fault. This task hears of all three, so that they never contradict each other half-way.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::connections::Order;
use crate::flap::{Down, Existing, Flap, Mode};
use crate::port::{Blackhole, Place, Port};
use crate::rules::Shared;
use crate::workers::Workers;

/// Changes waiting for the gate; each is done in well under a millisecond.
const QUEUE: usize = 64;

/// What the gate can be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// Nothing, only how it is.
    Look,
    /// Be up (unless something else takes it down), or be down like this.
    State(Option<Down>),
    /// Flap like this, beginning with up, or not at all.
    Flap(Option<Flap>),
    /// Be up and do not flap.
    Reset,
    /// The faults have changed.
    Faults,
    /// Close for good; those who are connected are finished.
    Stop,
}

/// How the gate is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) down: Option<Down>,
    pub(crate) is_listening: bool,
    pub(crate) flap: Option<Flap>,
    /// How often it has gone down.
    pub(crate) downs: u64,
}

type Reply = oneshot::Sender<io::Result<View>>;

/// Where to ask.
#[derive(Clone)]
pub(crate) struct GateKeeper {
    asks: mpsc::Sender<(Ask, Reply)>,
    pub(crate) place: Place,
}

impl GateKeeper {
    /// Asks, and returns once it is done.
    pub(crate) async fn ask(&self, ask: Ask) -> io::Result<View> {
        let (reply, done) = oneshot::channel();
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.asks.send((ask, reply)).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        done.await.map_err(gone)?
    }
}

/// What those meet who come to the port.
enum Door {
    /// Nobody listens.
    Closed,
    /// Connections are accepted.
    Open(JoinHandle<()>),
    /// Connecting comes to no end.
    Blackhole { _hole: Blackhole },
}

/// The task's state.
pub(crate) struct Gate {
    port: Port,
    workers: Workers,
    shared: Arc<Shared>,
    door: Door,
    told: Option<Down>,
    flap: Option<(Flap, Instant)>,
    current: Option<Down>,
    /// When to settle again at the latest.
    due: Instant,
    downs: u64,
    is_stopped: bool,
}

/// What keeps the port closed although nobody asked for it is tried again after so long.
const RETRY: Duration = Duration::from_millis(100);
/// The longest sleep where nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

impl Gate {
    /// Opens the port, unless it is to be down from the start, and starts the task.
    pub(crate) async fn start(
        port: Port,
        workers: Workers,
        shared: Arc<Shared>,
        flap: Option<Flap>,
    ) -> io::Result<GateKeeper> {
        let (asks, asked) = mpsc::channel(QUEUE);
        let place = port.place();
        let mut gate = Self {
            port,
            workers,
            shared,
            door: Door::Closed,
            told: None,
            flap: flap.map(|flap| (flap, Instant::now())),
            current: None,
            due: Instant::now(),
            downs: 0,
            is_stopped: false,
        };
        gate.settle().await?;
        tokio::spawn(gate.run(asked));
        Ok(GateKeeper { asks, place })
    }

    async fn run(mut self, mut asked: mpsc::Receiver<(Ask, Reply)>) {
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some((ask, reply)) => { let _ = reply.send(self.heed(ask).await); }
                    None => return,
                },
                () = tokio::time::sleep_until(self.due.into()) => { let _ = self.settle().await; }
            }
        }
    }

    async fn heed(&mut self, ask: Ask) -> io::Result<View> {
        match ask {
            Ask::Look => return Ok(self.view()),
            Ask::Faults => {}
            Ask::State(told) => self.told = told,
            Ask::Flap(flap) => self.flap = flap.map(|flap| (flap, Instant::now())),
            Ask::Reset => (self.told, self.flap) = (None, None),
            Ask::Stop => {
                self.is_stopped = true;
                // Again once the port is closed: who comes in between is to hear of it too.
                self.shared.connections.tell_all(Order::Finish);
            }
        }
        self.settle().await?;
        Ok(self.view())
    }

    fn view(&self) -> View {
        View {
            down: self.current,
            is_listening: matches!(self.door, Door::Open(_)),
            flap: self.flap.map(|(flap, _)| flap),
            downs: self.downs,
        }
    }

    /// How it is to be down now, if it is, and when that is to be asked again.
    fn wanted(&self, now: Instant) -> (Option<Down>, Instant) {
        let (by_flap, rest) = match self.flap {
            Some((flap, since)) => flap.at(now - since),
            None => (None, IDLE),
        };
        let refuses = self.shared.rules.load().refuses();
        let by_fault = refuses.then(|| Down::new(Mode::Refuse, Some(Existing::Keep)));
        (self.told.or(by_flap).or(by_fault), now + rest.min(IDLE))
    }

    /// Makes it as it is to be.
    async fn settle(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let (wanted, due) = self.wanted(now);
        let is_changed = wanted != self.current;
        self.downs += u64::from(self.current.is_none() && wanted.is_some());
        if is_changed {
            self.current = wanted;
            self.shared.change(|rules| rules.down = wanted);
        }
        let is_closed = self.is_stopped || wanted.is_some_and(|down| down.mode == Mode::Refuse);
        let swallows = wanted.is_some_and(|down| down.mode == Mode::Blackhole);
        self.due = now + RETRY;
        match (is_closed, swallows) {
            (true, _) => self.close().await,
            (false, true) => self.swallow().await?,
            (false, false) => self.open().await?,
        }
        self.due = due;
        if self.is_stopped {
            self.shared.connections.tell_all(Order::Finish);
        } else if let (true, Some(down)) = (is_changed, wanted) {
            self.end_existing(down.existing);
        }
        Ok(())
    }

    fn end_existing(&self, existing: Existing) {
        match existing {
            Existing::Keep => {}
            Existing::Close => self.shared.connections.tell_all(Order::Close),
            Existing::Reset => self.shared.connections.tell_all(Order::Reset),
        }
    }

    async fn open(&mut self) -> io::Result<()> {
        if !matches!(self.door, Door::Open(_)) {
            self.close().await;
            self.door = Door::Open(self.workers.accept_on(self.port.open()?)?);
        }
        Ok(())
    }

    async fn swallow(&mut self) -> io::Result<()> {
        if !matches!(self.door, Door::Blackhole { .. }) {
            self.close().await;
            self.door = Door::Blackhole { _hole: self.port.swallow()? };
        }
        Ok(())
    }

    async fn close(&mut self) {
        if let Door::Open(accepting) = std::mem::replace(&mut self.door, Door::Closed) {
            accepting.abort();
            // The listener is closed once the task is gone.
            let _ = accepting.await;
        }
    }
}
