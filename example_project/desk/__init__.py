"""The customer-support desk of Kettle & Crane."""
