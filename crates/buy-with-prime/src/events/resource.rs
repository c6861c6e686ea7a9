//! Resource paths: `businessProduct/{bp}/order/{order}/refund/{refund}` and the like.

use countermand_core::cancellation::input::{EventType, Named};
use countermand_core::{OrderId, PackageId, RefundId, TargetId};

use super::Resource;
use crate::cap::cap;

const PATH_MAX: usize = 1024;

/// Reads a path as pairs of key and value from the left (reference 4.2).
pub(super) fn read(path: &str, event_type: &EventType) -> Resource {
    route(path, event_type).unwrap_or_else(|why| Resource::Unroutable {
        path: cap(path),
        why,
    })
}

fn route(path: &str, event_type: &EventType) -> Result<Resource, String> {
    if path.len() > PATH_MAX {
        return Err(format!(
            "the path has {} bytes, at most {PATH_MAX} are allowed",
            path.len()
        ));
    }
    let (mut target, mut order, mut refund, mut package, mut return_) =
        (None, None, None, None, None);
    let mut segments = path.split('/');
    while let Some(key) = segments.next() {
        let value = segments
            .next()
            .ok_or_else(|| format!("`{}` has no id", cap(key)))?;
        let slot = match key {
            "businessProduct" => &mut target,
            "order" => &mut order,
            "refund" => &mut refund,
            "delivery" => &mut package,
            "return" => &mut return_,
            _ => return Err(format!("`{}` is not known", cap(key))),
        };
        if value.is_empty() || value.contains('%') {
            return Err(format!(
                "`{key}` has the id `{}`, which cannot be one",
                cap(value)
            ));
        }
        if slot.replace(value).is_some() {
            return Err(format!("`{key}` stands twice"));
        }
    }
    let target = target.ok_or("the path names no business product")?;
    let order = order.ok_or("the path names no order")?;
    // Both have not been seen together; the kind of event says which one it is about.
    let refund_first = matches!(
        event_type,
        EventType::RefundRequested | EventType::RefundCompleted
    );
    let named = match (refund, package) {
        (Some(refund), None) => refund_named(refund)?,
        (Some(refund), Some(_)) if refund_first => refund_named(refund)?,
        (_, Some(package)) => Named::Package {
            package_id: PackageId::new(package).map_err(|error| error.to_string())?,
        },
        (None, None) => Named::Order {},
    };
    Ok(Resource::Routed {
        target: TargetId::new(target).map_err(|error| error.to_string())?,
        order: OrderId::new(order).map_err(|error| error.to_string())?,
        named,
    })
}

fn refund_named(refund: &str) -> Result<Named, String> {
    let refund_id = RefundId::new(refund).map_err(|error| error.to_string())?;
    Ok(Named::Refund { refund_id })
}
