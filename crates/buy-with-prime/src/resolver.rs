//! Where no request of ours may go, whatever a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services of clouds outside the link-local ranges.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// What an address is that requests are never sent to; `None` for all others. Whoever could point a
/// name there would have our requests read to them what only this machine may read.
#[must_use]
pub fn refused_address(address: IpAddr) -> Option<&'static str> {
    let address = match address {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    match address {
        IpAddr::V4(ip) if ip.is_link_local() => {
            Some("a link-local address (where metadata services are)")
        }
        IpAddr::V4(METADATA_V4) | IpAddr::V6(METADATA_V6) => Some("a metadata service"),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some("a link-local address"),
        ip if ip.is_unspecified() => Some("the unspecified address"),
        ip if ip.is_multicast() => Some("a multicast address"),
        IpAddr::V4(ip) if ip.is_broadcast() => Some("the broadcast address"),
        _ => None,
    }
}

/// The system's resolver, without the addresses that are refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guarded;

#[derive(Debug, thiserror::Error)]
#[error("the name resolves to {address}, {why}, which is always refused")]
struct Refused {
    address: IpAddr,
    why: &'static str,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Those that may be connected to; an error when that leaves none.
fn allowed(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let mut allowed = Vec::new();
    let mut refused = None;
    for address in found {
        match refused_address(address.ip()) {
            None => allowed.push(address),
            Some(why) => {
                refused = Some(Refused {
                    address: address.ip(),
                    why,
                });
            }
        }
    }
    match refused {
        Some(refused) if allowed.is_empty() => Err(refused),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_may_resolve_to() {
        let of = |list: &[&str]| {
            let found = list
                .iter()
                .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
            allowed(found).map(|left| left.len())
        };
        assert_eq!(
            of(&["127.0.0.1", "::1", "10.0.0.1", "203.0.113.9"]).unwrap(),
            4
        );
        assert_eq!(of(&[]).unwrap(), 0);
        assert_eq!(of(&["169.254.169.254", "203.0.113.9"]).unwrap(), 1);
        for bad in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "100.100.100.200",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            let error = of(&[bad]).unwrap_err();
            assert!(error.to_string().contains("always refused"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_systems_names_are_known() {
        let found = Guarded.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
    }
}
