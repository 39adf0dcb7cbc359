//! All routes, built once and asked per request.

use super::Route;
use super::check::{self, Place, Tie, Warning};
use super::facts::Facts;
use super::index::Index;
use super::index::draft::Draft;

/// All routes of a configuration. It does not change; a reload builds another.
#[derive(Debug)]
pub struct Table {
    /// In the order of consideration, as far as hosts leave it open.
    routes: Box<[Route]>,
    index: Index,
    warnings: Vec<Warning>,
}

impl Table {
    /// Builds a table; the order of `routes` does not matter.
    ///
    /// # Errors
    ///
    /// Returns all pairs of routes between which the rule does not decide.
    pub fn build(routes: Vec<Route>) -> Result<Self, Vec<Tie>> {
        let mut placed: Vec<(usize, Route)> = routes.into_iter().enumerate().collect();
        placed.sort_by_cached_key(|(_, route)| route.matcher.order());
        let places: Vec<_> =
            placed.iter().map(|(at, route)| Place { at: *at, name: route.name.clone() }).collect();
        let routes: Box<[Route]> = placed.into_iter().map(|(_, route)| route).collect();
        let draft = Draft::new(&routes);
        let (ties, warnings) = check::check(&draft, &routes, &places);
        if !ties.is_empty() {
            return Err(ties);
        }
        Ok(Self { index: draft.freeze(&routes), routes, warnings })
    }

    /// Finds the route that a request takes. Allocates nothing.
    pub fn find(&self, facts: &Facts<'_>) -> Option<&Route> {
        self.index.find(&self.routes, facts).map(|at| &self.routes[at as usize])
    }

    /// Finds the same route as [`Table::find`], by its place among [`Table::routes`].
    pub fn find_at(&self, facts: &Facts<'_>) -> Option<usize> {
        self.index.find(&self.routes, facts).map(|at| at as usize)
    }

    /// Returns what is odd about the routes, though not wrong.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the routes, those with the more specific path and more conditions first.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns roughly how many bytes of memory finding takes, the routes themselves included, but
    /// not what their actions and expressions hold.
    pub fn bytes(&self) -> usize {
        self.index.bytes() + size_of_val(&*self.routes)
    }
}
