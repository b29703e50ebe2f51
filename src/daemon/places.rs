//! Places for connections: who may be connected at once, so that nobody can keep the others out.
//!
//! ```text
//! accepted ─ a stranger's place ─ handshake ─┬─ certificate: a client's place, the stranger's is given back
//!                                            └─ none (control plane): keeps the stranger's, and not for long
//! ```
//! Whoever has proved nothing shares the strangers' places. When they are all taken, the newcomer gets one of the network
//! that holds the most, its oldest: one machine cannot keep another from its handshake, however many connections it opens.
//! Where that network is his own, the oldest must have had time for a handshake: silent connections cannot keep the honest
//! ones of the same machine out, and a mass of honest ones does not starve itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::config;

/// What a place holds undisturbed by newcomers of its own network: several handshakes' time on a busy machine.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(500);

/// Whom an address counts as: an IPv4 address itself, an IPv6 address its /64, because a host may have as many as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// All the places of one listener.
pub(super) struct Places {
    /// One permit per connection that is not over, whatever its place: what a drain waits for.
    open: Arc<Semaphore>,
    open_max: u32,
    strangers: Mutex<Strangers>,
    strangers_max: usize,
    clients: Mutex<Clients>,
    clients_max: u32,
    clients_per_network_max: u32,
}

/// By network, each one's oldest first.
#[derive(Default)]
struct Strangers {
    next: u64,
    count: usize,
    by_network: HashMap<Network, BTreeMap<u64, Held>>,
}

/// A stranger's place as the others see it.
struct Held {
    since: Instant,
    take_away: oneshot::Sender<()>,
}

#[derive(Default)]
struct Clients {
    count: u32,
    by_network: HashMap<Network, u32>,
}

/// The place of a connection that has shown no certificate.
pub(super) struct StrangersPlace {
    places: Arc<Places>,
    network: Network,
    number: u64,
    taken_away: oneshot::Receiver<()>,
    open: Option<OwnedSemaphorePermit>,
}

/// The place of a connection with a good certificate.
pub(super) struct ClientsPlace {
    places: Arc<Places>,
    network: Network,
    _open: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(limits: &config::Tls) -> Arc<Self> {
        // One whose place was taken away is open for a moment longer.
        let open_max = limits.connections_max + 2 * limits.strangers_max;
        Arc::new(Self {
            open: Arc::new(Semaphore::new(open_max.try_into().unwrap_or(Semaphore::MAX_PERMITS))),
            open_max,
            strangers: Mutex::default(),
            strangers_max: limits.strangers_max.try_into().unwrap_or(usize::MAX),
            clients: Mutex::default(),
            clients_max: limits.connections_max,
            clients_per_network_max: limits.connections_per_address_max,
        })
    }

    /// A place for a connection that was just accepted; `None` when it must be closed at once. With `for_clients_only` a
    /// connection that could get no client's place is spared the handshake.
    pub(super) fn take(
        self: &Arc<Self>,
        address: IpAddr,
        for_clients_only: bool,
        now: Instant,
    ) -> Option<StrangersPlace> {
        let network = Network::of(address);
        if for_clients_only && !self.clients.lock().has_room(self, network) {
            return None;
        }
        let open = Arc::clone(&self.open).try_acquire_owned().ok()?;
        let (tell, taken_away) = oneshot::channel();
        let number = {
            let mut strangers = self.strangers.lock();
            if strangers.count >= self.strangers_max && !strangers.make_room(network, now) {
                return None;
            }
            strangers.add(network, Held { since: now, take_away: tell })
        };
        Some(StrangersPlace { places: Arc::clone(self), network, number, taken_away, open: Some(open) })
    }

    /// Waits until every connection is over.
    pub(super) async fn all_given_back(&self) {
        // Fails only on a closed semaphore, and nobody closes it.
        drop(self.open.acquire_many(self.open_max).await);
    }
}

impl Strangers {
    fn add(&mut self, network: Network, place: Held) -> u64 {
        self.next += 1;
        self.count += 1;
        self.by_network.entry(network).or_default().insert(self.next, place);
        self.next
    }

    /// Takes the oldest place of the network with the most away. Whether there is room then.
    fn make_room(&mut self, newcomer: Network, now: Instant) -> bool {
        let own = self.by_network.get(&newcomer).map_or(0, BTreeMap::len);
        // Of those with equally many, the one whose oldest has been there longest.
        let most = self.by_network.iter().filter_map(|(network, places)| {
            let (oldest, _) = places.first_key_value()?;
            Some((places.len(), Reverse(*oldest), *network))
        });
        let most = most.max_by_key(|(count, oldest, _)| (*count, *oldest));
        let Some((count, _, network)) = most else { return false };
        // Among equals nobody takes from another.
        let network = if count > own { network } else { newcomer };
        let Some(places) = self.by_network.get_mut(&network) else { return false };
        let Some(oldest) = places.first_entry() else { return false };
        if network == newcomer && now.duration_since(oldest.get().since) < HANDSHAKE_GRACE {
            return false;
        }
        // Whoever just ended by itself need not be told.
        let _ = oldest.remove().take_away.send(());
        self.count -= 1;
        self.forget_if_empty(network);
        true
    }

    fn remove(&mut self, network: Network, number: u64) {
        let removed = self.by_network.get_mut(&network).and_then(|places| places.remove(&number));
        if removed.is_some() {
            self.count -= 1;
            self.forget_if_empty(network);
        }
    }

    fn forget_if_empty(&mut self, network: Network) {
        if self.by_network.get(&network).is_some_and(BTreeMap::is_empty) {
            self.by_network.remove(&network);
        }
    }
}

impl Clients {
    fn has_room(&self, places: &Places, network: Network) -> bool {
        let of_network = self.by_network.get(&network).copied().unwrap_or_default();
        self.count < places.clients_max && of_network < places.clients_per_network_max
    }
}

impl StrangersPlace {
    /// Ready when somebody else needed the place more.
    pub(super) async fn taken_away(&mut self) {
        if (&mut self.taken_away).await.is_err() {
            // The sender goes only with the place.
            std::future::pending::<()>().await;
        }
    }

    /// Exchanges it for a client's place; `None` when there is none.
    pub(super) fn settle(mut self) -> Option<ClientsPlace> {
        let (places, network) = (Arc::clone(&self.places), self.network);
        {
            let mut clients = places.clients.lock();
            if !clients.has_room(&places, network) {
                return None;
            }
            clients.count += 1;
            *clients.by_network.entry(network).or_default() += 1;
        }
        Some(ClientsPlace { places, network, _open: self.open.take() })
    }
}

impl Drop for StrangersPlace {
    fn drop(&mut self) {
        self.places.strangers.lock().remove(self.network, self.number);
    }
}

impl Drop for ClientsPlace {
    fn drop(&mut self) {
        let mut clients = self.places.clients.lock();
        clients.count -= 1;
        if let Some(open) = clients.by_network.get_mut(&self.network) {
            *open -= 1;
            if *open == 0 {
                clients.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(strangers_max: u32) -> Arc<Places> {
        let limits = config::Tls {
            strangers_max,
            connections_max: 3,
            connections_per_address_max: 2,
            ..config::Tls::default()
        };
        Places::new(&limits)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, last])
    }

    fn is_taken_away(place: &mut StrangersPlace) -> bool {
        place.taken_away.try_recv().is_ok()
    }

    #[test]
    fn one_machine_cannot_keep_another_out() {
        let (places, now) = (places(4), Instant::now());
        let take = |last| places.take(address(last), false, now);
        let mut greedy: Vec<_> = (0..4).map(|_| take(1).unwrap()).collect();
        assert!(take(1).is_none(), "nor does it take its own places away at once");
        let mut others: Vec<_> = (2..5).map(|last| take(last).unwrap()).collect();
        assert_eq!(greedy.iter_mut().map(is_taken_away).collect::<Vec<_>>(), [true, true, true, false]);
        assert!(!others.iter_mut().any(is_taken_away));
        // With one each, whoever has been there longest makes room.
        let _last = take(9).unwrap();
        assert!(is_taken_away(&mut greedy[3]));
        drop((greedy, others));
        let strangers = places.strangers.lock();
        assert_eq!((strangers.count, strangers.by_network.len()), (1, 1), "only the last is left");
        // Its place is given back under the lock.
        drop(strangers);
    }

    #[test]
    fn silent_connections_do_not_keep_their_own_machine_out_for_long() {
        let (places, start) = (places(2), Instant::now());
        let take = |after| places.take(address(1), false, start + after);
        let mut silent = [take(Duration::ZERO).unwrap(), take(Duration::from_millis(1)).unwrap()];
        assert!(take(Duration::from_millis(499)).is_none(), "it may be shaking hands still");
        let mut late = take(HANDSHAKE_GRACE).unwrap();
        assert_eq!(silent.each_mut().map(is_taken_away), [true, false]);
        assert!(take(HANDSHAKE_GRACE).is_none(), "the second has a moment left");
        assert!(!is_taken_away(&mut late));
        drop((silent, late));
        assert_eq!(places.strangers.lock().count, 0);
    }

    #[test]
    fn a_client_gives_its_strangers_place_back() {
        let (places, now) = (places(1), Instant::now());
        let take = |last, clients| places.take(address(last), clients, now);
        let first = take(1, true).unwrap().settle().unwrap();
        let second = take(1, true).unwrap().settle().unwrap();
        assert!(take(1, true).is_none(), "two of one address");
        assert!(take(1, false).unwrap().settle().is_none());
        let third = take(2, true).unwrap().settle().unwrap();
        assert!(take(3, true).is_none(), "three in all");
        drop((first, second, third));
        assert!(places.clients.lock().by_network.is_empty());
        assert!(take(3, true).unwrap().settle().is_some());
    }

    #[test]
    fn an_ipv6_host_is_its_64_and_a_mapped_ipv4_address_is_itself() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }
}
